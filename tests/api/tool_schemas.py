"""What the strictest common readers of tool schemas refuse, by their published rules.

- OpenAI, function calling with `strict`: names of at most 64 letters, digits, "_" and "-"; descriptions of at most 1024
  characters; an object at the top, without `anyOf`; no `default`; a type for each property; all objects closed, which its SDK
  does itself (as it requires all properties).
- Gemini, function declarations: a subset of OpenAPI: one type for each schema, never a list or `null`; `enum` on strings alone,
  with no empty one; `items` for each array; at least one property in each object that has any; of formats of strings only
  `enum` and `date-time`; no `$ref`, `oneOf`, `allOf`, `const`, `additionalProperties`, `exclusiveMinimum`.
- Anthropic: an object at the top without `oneOf`, `allOf` or `anyOf`; names of properties of at most 64 letters, digits, "_",
  "." and "-"; with strict tools no bounds of numbers, lengths or counts.
"""

import re
from typing import Any

__all__ = ["faults_of_schema", "faults_of_tool"]

KEYWORDS = {"type", "description", "properties", "required", "items", "enum"}
"""What all of them take."""
TYPES = {"object", "array", "string", "integer", "number", "boolean"}
TOOL = re.compile(r"[A-Za-z0-9_-]{1,64}")
PROPERTY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
DESCRIPTION_MOST = 1024


def faults_of_tool(name: str, description: str, schema: Any) -> list[str]:
    """What somebody would refuse of a tool; empty if all take it."""
    faults = faults_of_schema(schema, name)
    if not TOOL.fullmatch(name):
        faults.append(f"{name}: the name")
    if not 0 < len(description) <= DESCRIPTION_MOST:
        faults.append(f"{name}: a description of {len(description)} characters")
    if not isinstance(schema, dict) or schema.get("type") != "object" or not schema.get("properties"):
        faults.append(f"{name}: no object with properties at the top")
    return faults


def faults_of_schema(schema: Any, at: str) -> list[str]:
    if not isinstance(schema, dict):
        return [f"{at}: no object"]
    faults = [f"{at}: {keyword}" for keyword in schema if keyword not in KEYWORDS]
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        faults.append(f"{at}: type {kind!r}")
    if not isinstance(schema.get("description", ""), str):
        faults.append(f"{at}: the description is no text")
    if "enum" in schema:
        choices = schema["enum"]
        if kind != "string" or not choices or not all(isinstance(each, str) and each for each in choices):
            faults.append(f"{at}: an enum of other than texts")
        if len(choices) != len({str(each) for each in choices}):
            faults.append(f"{at}: an enum with the same text twice")
    if (kind == "array") is not ("items" in schema):
        faults.append(f"{at}: items")
    if "items" in schema:
        faults += faults_of_schema(schema["items"], f"{at}[]")
    if (kind == "object") is not bool(schema.get("properties")):
        faults.append(f"{at}: properties")
    required = schema.get("required", ["-"])
    if not required or ("required" in schema and not set(required) <= set(schema.get("properties", {}))):
        faults.append(f"{at}: required")
    for name, each in schema.get("properties", {}).items():
        if not PROPERTY.fullmatch(name):
            faults.append(f"{at}.{name}: the name")
        faults += faults_of_schema(each, f"{at}.{name}")
    return faults
