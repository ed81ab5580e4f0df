"""Ops in modules by name."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from nchw2nhwc.html.modules import LIMIT, Link, Member, Module, group, member_ops, split_name


def chain(count: int) -> list[Link]:
    return [Link(k, k + 1, k) for k in range(count - 1)]


def shown(member: Member) -> object:
    """Modules as pairs of a label and members."""
    return member if isinstance(member, int) else (member.label, [shown(each) for each in member.members])


def test_names_are_split_at_slashes_or_else_at_dots() -> None:
    assert split_name("/a/b.0/Conv") == ("a", "b.0", "Conv")
    assert split_name("a.b.0.Conv") == ("a", "b", "0", "Conv")
    assert split_name("Conv_1") == ("Conv_1",)
    assert split_name("") == ()


def test_a_module_of_one_op_is_that_op_and_a_path_without_branches_is_one_module() -> None:
    names = ["", "/a/b/c/Conv", "/a/b/c/Relu", "/d/e/Conv", ""]
    assert shown(group(names, chain(5))) == ("", [0, ("a/b/c", [1, 2]), 3, 4])


def test_an_op_that_is_called_like_a_module_is_in_it() -> None:
    names = ["/a/Conv/WithoutBiases", "/a/Conv", "/a/Relu", "/b/Relu"]
    assert shown(group(names, chain(4))) == ("", [("a", [("Conv", [0, 1]), 2]), 3])


def test_a_module_that_others_come_between_appears_once_for_each_stretch() -> None:
    names = ["/a/Conv", "/a/Relu", "/b/Conv", "/b/Relu", "/a/Conv_1", "/a/Relu_1"]
    assert shown(group(names, chain(6))) == ("", [("a", [0, 1]), ("b", [2, 3]), ("a (2)", [4, 5])])


def test_parallel_modules_stay_whole_however_their_ops_are_mixed() -> None:
    names = ["", "/a/Conv", "/b/Conv", "/a/Relu", "/b/Relu", ""]
    links = [Link(0, 1, 0), Link(0, 2, 0), Link(1, 3, 1), Link(2, 4, 2), Link(3, 5, 3), Link(4, 5, 4)]
    assert shown(group(names, links)) == ("", [0, ("a", [1, 3]), ("b", [2, 4]), 5])


def test_many_members_become_sections_cut_where_few_tensors_pass() -> None:
    count = 12 * LIMIT
    links = chain(count) + [Link(k, k + 15, k) for k in range(0, count - 20, 20)]
    root = group([f"op_{k}" for k in range(count)], links)
    assert len(root.members) <= LIMIT
    sections = [member for member in root.members if isinstance(member, Module)]
    assert [op for member in root.members for op in member_ops(member)] == list(range(count))
    assert all(max(section.ops) % 20 in {15, 16, 17, 18, 19} for section in sections[:-1])


def test_sections_of_sections() -> None:
    count = 40 * LIMIT
    root = group([f"op_{k}" for k in range(count)], chain(count))
    assert len(root.members) <= LIMIT
    assert root.ops == list(range(count))
    assert all(isinstance(member, Module) and member.label.startswith("parts ") for member in root.members)


NAMES = st.lists(st.lists(st.sampled_from("abc"), max_size=4).map("/".join), min_size=1, max_size=24)


@given(names=NAMES, data=st.data())
def test_every_op_is_in_one_place_and_no_level_has_a_circle(names: list[str], data: st.DataObject) -> None:
    pairs = data.draw(st.lists(st.tuples(st.integers(0, len(names) - 1), st.integers(0, len(names) - 1)), max_size=40))
    links = [Link(min(a, b), max(a, b), min(a, b)) for a, b in pairs if a != b]
    root = group(names, links)
    assert sorted(root.ops) == list(range(len(names)))
    levels = [root]
    while levels:
        module = levels.pop()
        assert sorted(op for member in module.members for op in member_ops(member)) == sorted(module.ops)
        assert len(module.members) > 1 or len(names) == 1
        place = {op: k for k, member in enumerate(module.members) for op in member_ops(member)}
        between = {(place[link.source], place[link.target]) for link in links if link.source in place and link.target in place}
        assert nx.is_directed_acyclic_graph(nx.DiGraph((a, b) for a, b in between if a != b))
        assert all(a <= b for a, b in between), "members are in topological order"
        levels += [member for member in module.members if isinstance(member, Module)]
