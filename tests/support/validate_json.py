# SPDX-License-Identifier: LGPL-2.1-or-later
"""validate_json.py SCHEMAS FOLDER: whether every document in FOLDER is as its schema says; prints how many each schema has.

FOLDER has, for each run of the program, NAME.json, what it printed, and NAME.schema, the name of the
schema. A member that the schema does not know is wrong here, though nobody else need mind.
"""
import collections
import json
import pathlib
import sys

import jsonschema


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


def load(folder):
    validators = {}
    for path in sorted(folder.glob("*.json")):
        schema = json.loads(path.read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[path.stem] = jsonschema.Draft202012Validator(strict(with_format(schema)))
    return validators


def main():
    validators = load(pathlib.Path(sys.argv[1]))
    counts = collections.Counter()
    wrong = 0
    for path in sorted(pathlib.Path(sys.argv[2]).glob("*.json")):
        name = path.with_suffix(".schema").read_text().strip()
        for value in documents(path.read_text()):
            used = "edit" if name == "apply" and "format" in value else name
            counts[used] += 1
            for error in validators[used].iter_errors(value):
                wrong += 1
                if wrong <= 10:
                    place = "/".join(str(part) for part in error.absolute_path)
                    print(f"{path.name} ({used}): {place}: {error.message[:300]}", file=sys.stderr)
    print(*(f"{name} {counts[name]}" for name in sorted(validators)))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
