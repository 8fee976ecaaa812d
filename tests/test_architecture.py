"""The house rules, checked: imports go down the bands, one owner per dependency and per table."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "agentmem"
BANDS = [
    "errors",
    "records words days predicates prototypes",
    "phrases marks candidates passages templates secrecy",
    "scope times stated meta tables places policy injection",
    "schema",
    "traits draft encoder db rank pack exports extract",
    "foreign store search fulltext embeddings roster lexical claims fields asking blocks summaries grants audit "
    "policies quarantine meaning",
    "facts kinds tools changes settle",
    "screening",
    "index ingest erase transfer doctor",
    "recall merge backup",
    "opened",
    "knowing defining holding granting keeping copying governing",
    "relating calling loading",
    "recalling",
    "conversation",
    "memory",
    "aio",
    "__init__",
    "__main__",
]
BAND = {name: level for level, names in enumerate(BANDS) for name in names.split()}
DEPENDENCY_OWNER = {"apsw": "db", "sqlite_vec": "db", "onnxruntime": "encoder", "tokenizers": "encoder"}
PORCH_ONLY = {"click", "rich"}
TABLE_OWNER = {
    "meta": "meta",
    "devices": "meta",
    "records": "store",
    "scopes": "store",
    "tombstones": "store",
    "records_fts": "fulltext",
    "records_folded": "fulltext",
    "vectors": "search",
    "token_codes": "search",
    "traits": "search",
    "times": "search",
    "claims": "claims",
    "kinds": "kinds",
    "blocks": "blocks",
    "keys": "kinds",
    "summaries": "summaries",
    "grants": "grants",
    "audit": "audit",
    "embeddings": "embeddings",
    "policies": "policies",
    "kept_out": "policies",
    "quarantine": "quarantine",
    "topics": "search",
}
WRITE = re.compile(r"\b(?:insert (?:or \w+ )?into|update|delete from)\s+(\w+)", re.IGNORECASE)
MODULES = sorted(ROOT.glob("*.py"))
DOORS = sorted((ROOT / "doors").glob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield the first part of what *path* imports, at the top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield from ([node.module.split(".")[0]] if node.module else [alias.name for alias in node.names])
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            yield from (name.split(".")[0] for name in names)


def test_every_module_has_a_band():
    assert {path.stem for path in MODULES} == set(BAND)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_go_down_and_dependencies_have_one_owner(path):
    for name in imports(path):
        if name in BAND:
            assert BAND[name] < BAND[path.stem], f"{path.stem} may not import {name}"
        assert DEPENDENCY_OWNER.get(name, path.stem) == path.stem, f"only {DEPENDENCY_OWNER.get(name)} imports {name}"
        porch = PORCH_ONLY if path.stem == "__main__" else PORCH_ONLY | {"doors"}
        assert name not in porch, f"{path.stem} may not import {name}"


@pytest.mark.parametrize("path", DOORS, ids=lambda path: path.stem)
def test_doors_use_public_names_only(path):
    import agentmem

    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = ("." * node.level) + (node.module or "")
            if module in ("agentmem", ".."):
                assert {alias.name for alias in node.names} <= {*agentmem.__all__, "__version__"}
            else:
                assert not module.startswith("agentmem.") and not module.startswith(".."), f"{path.stem}: {module}"
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("agentmem.") for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_each_table_is_written_by_its_owner_only(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for table in WRITE.findall(node.value):
                if table in TABLE_OWNER:
                    assert TABLE_OWNER[table] == path.stem, f"only {TABLE_OWNER[table]} writes {table}"


def test_the_table_owners_name_every_table():
    schema = "".join(path.read_text("utf-8") for path in sorted((ROOT / "migrations").glob("*.sql")))
    assert set(re.findall(r"create (?:virtual )?table (\w+)", schema)) == set(TABLE_OWNER)


def test_every_table_travels_or_is_local_or_is_derived():
    """A table that is nowhere here would not be merged, and nobody would notice: put it into `tables`."""
    from agentmem import tables

    named = [table.name for table in tables.SYNCED] + list(tables.LOCAL) + list(tables.DERIVED)
    assert sorted(named) == sorted(TABLE_OWNER)


@pytest.mark.parametrize("path", MODULES + DOORS, ids=lambda path: path.stem)
def test_files_stay_under_500_lines(path):
    assert len(path.read_text("utf-8").splitlines()) <= 500
