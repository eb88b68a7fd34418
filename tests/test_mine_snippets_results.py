"""What a mined tool returns, what recorded calls should return, parameters in objects, names."""

import ast
import contextlib
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strop.mine.snippets import Block, mine_snippets
from strop.mine.snippets.naming import phrase
from strop.mine.snippets.normal import normal
from strop.mine.snippets.values import literal, node_of
from strop.tools.same import agrees

FIND = """\
import json
import urllib.parse
import urllib.request

{query} = urllib.parse.urlencode({{"text": {topic!r}, "max": 1}})
request = urllib.request.Request("http://127.0.0.1:8123/v2/_find?" + {query}, headers={{"X-Desk": "7"}})
with urllib.request.urlopen(request, timeout=5) as reply:
    {hits} = json.load(reply)["hits"]
print({hits}[0]["ref"])
"""
TOPICS = ("refunds", "pests", "frost", "labels", "mulching")


def blocks(template, rows, printed=None):
    return [
        Block(
            source=template.format(**row),
            task=f"t{i}",
            run=f"r{i}",
            printed=None if printed is None else printed[i],
        )
        for i, row in enumerate(rows)
    ]


def built(finding):
    body = finding.data["tool"]["body"]
    space: dict = {}
    exec(body["source"], space)
    return space[body["function"]]


def ran(source):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(source, {})
    return out.getvalue().rstrip()


def results(findings):
    return [i.get("result") for f in findings for i in f.data["instances"]]


def test_a_lookup_that_prints_its_result_is_one_tool_that_returns_it():
    rows = [
        {"query": ("query", "params")[i % 2], "hits": ("hits", "found")[i % 2], "topic": topic}
        for i, topic in enumerate(TOPICS)
    ]
    (finding,) = mine_snippets(blocks(FIND, rows, [f"KB-{i}" for i in range(5)]))
    tool = finding.data["tool"]
    assert tool["name"] == "request_find"
    assert tool["parameters"]["required"] == ["text"]
    assert list(tool["parameters"]["properties"]) == ["text"]
    function = ast.parse(tool["body"]["source"]).body[0]
    assert ast.unparse(function.body[-1]) in ("return hits[0]['ref']", "return found[0]['ref']")
    assert "{'text': text, 'max': 1}" in tool["body"]["source"]
    assert [(i["args"], i["result"]) for i in finding.data["instances"]] == [
        ({"text": topic}, f"KB-{i}") for i, topic in enumerate(TOPICS)
    ]


COUNT = "import json\nrows = json.loads({text!r})\n{work}\nprint({said})\n"


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ("n = sum(rows) * 2", "n"),
        ("n = sorted(rows)", "n"),
        ("n = sum(rows) / 7", "n"),
        ("n = sum(rows) > 7", "n"),
        ("n = dict(enumerate(rows))", "n"),
        ("n = set(map(str, sorted(rows)[:1]))", "n"),
        ("n = sorted(rows)", "n, len(n)"),
        ("n = sorted(rows)", "*n, sep='-'"),
        ("n = sorted(rows)\nprint(n)", "len(n)"),
        ("n = json.loads('{{\"a\": 1}}').get('a')", "n"),
    ],
)
def test_what_is_printed_is_what_the_tool_returns_and_what_instances_expect(work, said):
    rows = [
        {"text": json.dumps([i, 3 * i, 2]), "work": work.replace("{{", "{").replace("}}", "}")}
        for i in range(12)
    ]
    sources = [COUNT.format(said=said, **row) for row in rows]
    printed = [ran(source) for source in sources]
    made = [
        Block(source=s, task=s, run=s, printed=p) for s, p in zip(sources, printed, strict=True)
    ]
    (finding,) = mine_snippets(made)
    function = built(finding)
    assert results([finding]) == printed
    for instance in finding.data["instances"]:
        got = function(**instance["args"])
        assert agrees(json.loads(json.dumps(got)), instance["result"])


def test_a_loop_that_prints_at_the_end_is_part_of_the_tool_and_what_it_prints_the_result():
    template = (
        "import json\nrows = json.loads({text!r})\nrows = sorted(rows) + [len(rows)] + [max(rows)]\n"
        "for number, row in enumerate(rows):\n    print(number, row, number + row, sep=', ')\n"
    )
    rows = [{"text": json.dumps([i, 3 * i, 2])} for i in range(16)]
    printed = [ran(template.format(**row)) for row in rows]
    (finding,) = mine_snippets(blocks(template, rows, printed))
    assert results([finding]) == printed
    function = built(finding)
    assert [function(**i["args"]) for i in finding.data["instances"]] == printed


def test_bytes_are_not_returned_but_captured_as_text():
    sources = [
        f"import urllib.request\nwith urllib.request.urlopen('file:///tmp/x{i}') as reply:\n"
        "    text = reply.read()\nprint(text)\n"
        for i in range(9)
    ]
    for finding in mine_snippets(sources):
        assert "return text" not in finding.data["tool"]["body"]["source"]


TWO = "import json\nrows = json.loads({text!r})\nn = sorted(rows) + [len(rows)]\nprint(sum(n))\n"


@pytest.mark.parametrize(
    ("template", "printed"),
    [
        (TWO, None),  # the trace does not say
        (TWO, ""),  # the trace kept nothing
        (TWO, "x" * 2_000),  # the trace kept the beginning
        (TWO + "print('done')\n", "8\ndone"),  # more was printed
        ("print('begin')\n" + TWO, "begin\n8"),
        (TWO + "import unknown{i}\nunknown{i}.work()\n", "8"),  # more may be printed
        (TWO + "if look({text!r}):\n    print('more')\n    exit(1)\n", "8"),
    ],
)
def test_no_result_is_expected_where_it_is_not_certain(template, printed):
    rows = [{"text": json.dumps([1, 2, 3 + i]), "i": i} for i in range(6)]
    found = mine_snippets(blocks(template, rows, [printed] * 6))
    assert found
    assert set(results(found)) == {None}


def test_what_follows_without_printing_does_not_matter():
    rows = [{"text": json.dumps([1, 2, 3 + i])} for i in range(6)]
    template = TWO + "low = min({text!r}.split())\nif low:\n    low = low.strip()\n"
    assert "8" in results(mine_snippets(blocks(template, rows, ["8"] * 6)))


def test_what_was_given_is_not_said_back():
    sources = [
        f"import shutil\nshutil.copytree('a{i}', 'b{i}', dirs_exist_ok=True)\n"
        f"shutil.make_archive('b{i}', 'zip', root_dir='b{i}')\nshutil.rmtree('b{i}')\n"
        f"print(folder, {i})\n"
        for i in range(9)
    ]
    (finding,) = mine_snippets(sources)
    assert "print" not in finding.data["tool"]["body"]["source"]


SEND = "import shop\nshop.connect('a')\nreply = shop.orders.send({value})\nshop.close('a', {i})\n"


def parameters(values):
    sources = [SEND.format(value=value, i=i) for i, value in enumerate(values)]
    (finding,) = mine_snippets(sources)
    return finding


def test_objects_of_the_same_keys_give_parameters_only_for_what_differs():
    finding = parameters(
        [{"id": i, "to": {"city": f"c{i}", "land": "x"}, "list": [1, 2]} for i in range(5)]
    )
    source = finding.data["tool"]["body"]["source"]
    assert "{'id': id_value, 'to': {'city': city, 'land': 'x'}, 'list': [1, 2]}" in source
    assert finding.data["instances"][3]["args"] == {"id_value": 3, "city": "c3"}


@pytest.mark.parametrize(
    "values",
    [
        [{"a": i, "b": 2} if i % 2 else {"a": i} for i in range(5)],  # other keys
        [{"a": i, "b": 2} if i % 2 else {"b": 2, "a": i} for i in range(5)],  # another order
        [{"a": {"x": i}} if i % 2 else {"a": {"y": i}} for i in range(5)],  # other keys inside
        [{"a": {"x": i}} if i % 2 else {"a": i} for i in range(5)],  # no object inside
        [{k: f"{k}{i}" for k in "abcdef"} for i in range(5)],  # too much that differs
    ],
)
def test_other_objects_are_one_parameter(values):
    finding = parameters(values)
    (name,) = {n for n in finding.data["tool"]["parameters"]["properties"] if n.startswith("send")}
    assert [i["args"][name] for i in finding.data["instances"]] == values


keys = st.text("ab _-é1", min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(st.lists(keys, min_size=1, max_size=3, unique=True), st.data())
def test_a_call_with_an_instance_makes_the_same_object_again(names, data):
    column = st.integers(0, 3) | st.text("xy", max_size=2)
    values = [{name: data.draw(column) for name in names} for _ in range(6)]
    for value in values:
        assert literal(node_of(value)) == value
    sources = [
        f"import json\ntext = json.dumps({value!r}) + json.dumps([{i}])\nprint(text.upper())\n"
        for i, value in enumerate(values)
    ]
    (finding,) = mine_snippets(sources)
    function = built(finding)
    for instance, source in zip(finding.data["instances"], sources, strict=True):
        assert function(**instance["args"]) == ran(source)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import requests\nr = requests.get('https://a.b/api/v1/orders/' + x)\n", "get_orders"),
        ("import requests\nrequests.post(f'https://a.b/v1/users/{x}/notes')\n", "post_notes"),
        ("from urllib.request import urlopen\nurlopen('http://a/v2/_find?q=1')\n", "request_find"),
        ("import requests\nrequests.post(url)\n", "post_requests"),
        ("import json, zlib\nx = json.loads(t)\ny = zlib.compress(x)\n", "compress_zlib"),
        ("import json\nx = json.loads(t)\n", "loads_json"),
        ("x = sorted(y)\n", "run_snippet"),
        (
            "a_long_name_of_a_function_is_here(1)\nanother_quite_long_name(2)\n",
            "another_quite_long_name",
        ),
    ],
)
def test_a_tool_is_called_for_the_end_of_a_path_or_for_what_it_does(source, name):
    unit = normal(source)
    assert phrase(unit.tree.body, unit.imports) == name
    assert name.isidentifier()
