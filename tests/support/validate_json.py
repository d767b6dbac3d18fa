# SPDX-License-Identifier: LGPL-2.1-or-later
"""validate_json.py SCHEMAS FOLDER: whether every document in FOLDER is as its schema says; prints how many each schema has.

FOLDER has, for each run of the program, NAME.json, what it printed, and NAME.command, the command. A document
says which schema it is of, that of its command or of an edit; where the shape is others' the command does. A
member that the schema does not know is wrong here, though nobody else need mind.
"""
import collections
import json
import pathlib
import sys

import jsonschema


# Commands that print what qemu-img, nbdinfo and QMP print, which does not say what it is.
SHAPES_OF_OTHERS = {"info": "info", "map": "map", "chain since": "map", "compare": "compare", "apply": "apply"}


def strict(schema):
    """The same schema, taking no members that it does not list."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and "anyOf" not in made:
        made.setdefault("additionalProperties", False)
    return made


def with_format(schema):
    """Branches of a document's shape know the format that stands before them."""
    for branch in schema.get("anyOf", []):
        if "properties" in branch and "properties" in schema:
            branch["properties"] = {**schema["properties"], **branch["properties"]}
    return schema


def documents(text):
    """What was printed, as values: QMP's replies, and those of --output=jsonl, are one a line."""
    if text.startswith("{") and not text.startswith("{\n"):
        return [json.loads(line) for line in text.splitlines()]
    return [json.loads(text)]


def name_schema(command, value):
    """The name of the schema that a document says it is of, or that its command's are of; None: there is none."""
    shape = value.get("format") if isinstance(value, dict) else None
    if not isinstance(shape, dict):
        return SHAPES_OF_OTHERS.get(command)
    name = str(shape.get("name")).removeprefix("qcow2bm-")
    return name if name in (command.replace(" ", "-"), "edit") else None


def load(folder):
    validators = {}
    for path in sorted(folder.glob("*.json")):
        schema = json.loads(path.read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[path.stem] = jsonschema.Draft202012Validator(strict(with_format(schema)))
    return validators


def find_errors(validators, name, value):
    if name not in validators:
        return [("", "there is no schema of its shape")]
    return [
        ("/".join(str(part) for part in error.absolute_path), error.message[:300])
        for error in validators[name].iter_errors(value)
    ]


def main():
    validators = load(pathlib.Path(sys.argv[1]))
    counts = collections.Counter()
    wrong = 0
    for path in sorted(pathlib.Path(sys.argv[2]).glob("*.json")):
        command = path.with_suffix(".command").read_text().strip()
        for value in documents(path.read_text()):
            name = name_schema(command, value)
            counts[name] += 1
            for place, message in find_errors(validators, name, value):
                wrong += 1
                if wrong <= 10:
                    print(f"{path.name} ({command}): {place}: {message}", file=sys.stderr)
    print(*(f"{name} {counts[name]}" for name in sorted(validators)))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
