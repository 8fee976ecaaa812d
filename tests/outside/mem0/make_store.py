"""Make a store of mem0 in the folder that is given: Qdrant's local files and a history.  Print how many it has."""

import hashlib
import json
import os
import random
import sys
from pathlib import Path

folder = Path(sys.argv[1])
os.environ |= {"MEM0_TELEMETRY": "False", "MEM0_DIR": str(folder / "home"), "OPENAI_API_KEY": "none"}

from mem0 import Memory  # noqa: E402  it reads the environment
from mem0.utils.factory import EmbedderFactory, LlmFactory  # noqa: E402

WIDTH = 8


class Embedder:
    """A vector that depends on the text alone, in the place of a service."""

    class config:
        embedding_dims = WIDTH

    def embed(self, text, memory_action=None):
        dice = random.Random(hashlib.md5(str(text).encode()).hexdigest())
        return [dice.random() for _ in range(WIDTH)]

    def embed_batch(self, texts, memory_action=None):
        return [self.embed(text) for text in texts]


class Llm:
    """A model that always finds the same."""

    class config:
        enable_vision = False

    def generate_response(self, *args, **kwargs):
        return json.dumps({"memory": [{"id": "0", "text": "User likes green", "attributed_to": "user"}]})


EmbedderFactory.create = classmethod(lambda cls, *args, **kwargs: Embedder())
LlmFactory.create = classmethod(lambda cls, *args, **kwargs: Llm())
vectors = {"path": str(folder / "qdrant"), "on_disk": True, "embedding_model_dims": WIDTH}
history = str(folder / "history.db")
memory = Memory.from_config({"vector_store": {"provider": "qdrant", "config": vectors}, "history_db_path": history})
ids = []
for n in range(200):
    about = {"n": n, "topic": n % 7}
    added = memory.add(f"Note {n} about topic {n % 7}", user_id=f"user{n % 3}", infer=False, metadata=about)
    ids.append(added["results"][0]["id"])
said = [{"role": "user", "content": "I live in Oslo", "name": "ana"}, {"role": "assistant", "content": "Noted."}]
oslo = memory.add(said, user_id="ana", agent_id="bot", run_id="r1", infer=False)["results"][0]["id"]
memory.add("my favourite colour is green", user_id="ana")
for text in ("I live in Bergen", "I live in Rome"):
    memory.update(oslo, text=text)
memory.delete(ids[1])
memory.add("Of the agent alone", agent_id="bot", infer=False)
print(memory.vector_store.client.count(memory.collection_name).count)
memory.close()
memory.vector_store.client.close()
