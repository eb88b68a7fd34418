"""What reading a call's text needs to know of the language it is written in, as data.

Which word comes before the name of a container (a table, a collection), which word gives it another
name, which words begin calls that only read. Another language is another `Hints`.

Next file: `mine/facts/names.py`.
"""

from dataclasses import dataclass, field

__all__ = ["SQL", "Hints"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What reading a call's text needs to know of the language it is written in; all lower case.

    Attributes:
        readers: First words (of a text, or of a tool's name) of calls that change nothing.
        writers: Words with which calls begin that change something.
        describers: Words of calls whose result is a list of names rather than of values.
        before: Words after which the name of a container stands.
        leading: The same, where it is the first word of the text only.
        renames: The word between a name and its other name.
        breaks: Words between two texts that have nothing to do with each other's names.
        grammar: All other words that are no names.
        nouns: What a container and a member are called where no error message says it.
    """

    readers: frozenset[str]
    writers: frozenset[str]
    describers: frozenset[str]
    before: frozenset[str]
    leading: frozenset[str]
    renames: str
    breaks: frozenset[str]
    grammar: frozenset[str]
    nouns: tuple[str, str]
    known: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        known = self.before | self.leading | self.breaks | self.grammar | {self.renames}
        object.__setattr__(self, "known", known)


SQL = Hints(
    readers=_words(
        "get list search find describe desc show select read fetch lookup query count with pragma "
        "explain check calculate schema"
    ),
    writers=_words(
        "insert update delete drop create alter truncate replace grant revoke merge set put post "
        "patch remove add call exec execute commit rename send write"
    ),
    describers=_words("describe desc show columns fields schema list tables"),
    before=_words("from join"),
    leading=_words("describe desc"),
    renames="as",
    breaks=_words("union intersect except"),
    grammar=_words(
        "select distinct where and or not in is null like between on using inner left right full "
        "outer cross natural group by order having limit offset asc all any some exists case when "
        "then else end count sum avg min max true false show tables columns fields databases index "
        "explain interval year month day with recursive over partition rows cast convert collate "
        "div mod rlike regexp binary current_date current_timestamp date char int integer decimal "
        "text schema straight_join force use ignore key rollup within escape if ifnull coalesce"
    ),
    nouns=("table", "column"),
)
"""The default: SQL words, and the verbs with which reading tools and commands begin."""
