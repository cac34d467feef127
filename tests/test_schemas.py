import json

import pytest

from service.schemas import SCHEMAS, schema


@pytest.mark.parametrize("kind", ["job", "config", "manifest", "status"])
def test_every_schema_is_json_with_a_title_and_closed_references(kind):
    document = schema(kind)
    text = json.dumps(document)
    assert document["$schema"].startswith("https://json-schema.org/")
    assert document["title"].startswith("Reeldrop")
    assert document["type"] == "object"
    for name in {part.split('"')[0] for part in text.split("#/$defs/")[1:]}:
        assert name in document["$defs"]


def test_optional_fields_are_left_out_and_never_null():
    assert '"null"' not in json.dumps(schema("job"))
    assert '"null"' not in json.dumps(schema("manifest"))


def test_there_is_a_schema_for_each_kind_and_no_other():
    assert set(SCHEMAS) == {"job", "config", "manifest", "status"}
    with pytest.raises(KeyError):
        schema("batch")
