#!/usr/bin/env python3
"""What the published configuration classes make of config.json files: every key removed, and every key null, one at a time.

  configs.py INPUT.json OUTPUT.json

INPUT: {"gemma2": {...}, "t5gemma": {...}}. OUTPUT: for each, its keys (fields of the class, and of its sections), and cases
{path, change, given, config | error}: `config` is the whole configuration, with nothing left silent.
"""
import copy
import dataclasses
import json
import sys
from transformers import Gemma2Config, T5GemmaConfig, T5GemmaModuleConfig
from transformers.configuration_utils import PreTrainedConfig

CLASSES = {"gemma2": Gemma2Config, "t5gemma": T5GemmaConfig}
own = lambda cls: sorted({f.name for f in dataclasses.fields(cls)} - {f.name for f in dataclasses.fields(PreTrainedConfig)})


def explicit(cls, given):
    try:
        config = cls.from_dict(copy.deepcopy(given))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    return {"config": json.loads(config.to_json_string(use_diff=False))}


inputs = json.load(open(sys.argv[1]))
result = {}
for name, base in inputs.items():
    cls = CLASSES[name]
    paths = [(key,) for key in base if key != "model_type"]
    for section in ("encoder", "decoder"):
        paths += [(section, key) for key in (base.get(section) or {})]
    cases = [{"path": [], "change": "as it is", "given": base, **explicit(cls, base)}]
    empty = {"model_type": base["model_type"]}
    cases.append({"path": [], "change": "empty", "given": empty, **explicit(cls, empty)})
    for path in paths:
        for change in ("removed", "null"):
            given = copy.deepcopy(base)
            holder = given[path[0]] if len(path) == 2 else given
            if change == "removed":
                del holder[path[-1]]
            else:
                holder[path[-1]] = None
            if path[-1] == "num_hidden_layers" and change == "removed":
                del holder["layer_types"]  # one for each layer
            cases.append({"path": list(path), "change": change, "given": given, **explicit(cls, given)})
    result[name] = {"keys": own(cls), "cases": cases}
result["sectionKeys"] = own(T5GemmaModuleConfig)
result["common"] = sorted(f.name for f in dataclasses.fields(PreTrainedConfig))
json.dump(result, open(sys.argv[2], "w"))
