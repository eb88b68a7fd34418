"""The project of the demo's second act: a support desk with three tools over a database.

A customer's plan is known to one tool, under an id that another gives, and which help article holds
for it to a third: nothing but all three in a row gives the answer. Made up for this project, the
same every time; each customer and each topic belongs to one split only. Nothing runs here.

Next file: `demo/desk_tools.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from random import Random

from strop.run import Run, Score, ScoredRun, ToolCall
from strop.task import Split, Task

__all__ = ["Article", "Customer", "Desk", "made_desk"]

_SEED = 20
_PLANS = ("seedling", "windowsill", "orchard")
# Topics that mean nearly the same are in one split: a demonstration of one must not help another.
_TOPICS: dict[Split, tuple[str, ...]] = {
    Split.TRAIN: ("pausing", "gifts", "repotting", "invoices", "delivery", "passwords"),
    Split.VALIDATION: (
        "pests",
        "slugs",
        "compost",
        "fertiliser",
        "vouchers",
        "discounts",
        "allergies",
        "reminders",
    ),
    Split.TEST: (
        "watering",
        "drainage",
        "humidity",
        "cancelling",
        "refunds",
        "returns",
        "packaging",
        "recycling",
        "pruning",
        "lighting",
    ),
}
_WORDINGS = (
    "{email} asks which article explains {topic} on their plan.",
    "{email} has a question about {topic}: name the article for their plan.",
    "{email} writes: which of your articles about {topic} is for my plan?",
    "{email} wants to read about {topic}. Which article is right for their plan?",
    "{email} needs our article on {topic}.",
    "{email} is looking for help with {topic}; what fits their plan?",
)
_NAMES = """
Adam Alan Alex Alice Amy Andrew Anna Anne Ben Betty Bill Bob Brian Carl Carol Charles Chris Clara
Dan David Diana Ed Emily Emma Eric Frank Fred George Grace Harry Helen Henry Jack James Jane Jason
John Julia Kate Kevin Laura Linda Lisa Lucy Mark Martin Mary Michael Mike Nancy Nick Oliver Oscar
Paul Peter Rachel Richard Robert Rose Ruth Ryan Sam Sarah Simon Sophie Steve Susan Thomas Tim Tom
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer, with the plan that they subscribe to and the boxes they have had."""

    id: str
    name: str
    email: str
    plan: str
    boxes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """A help article: what it is about, and the plan that it holds for."""

    id: str
    plan: str
    topic: str

    @property
    def title(self) -> str:
        return self.topic.capitalize()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the desk consists of.

    Attributes:
        customers: In the order of their names.
        articles: One for each topic and plan.
        tasks: Messages, each with the id of the article that settles it.
        runs: How people at the desk settled the train tasks, with the calls they made.
    """

    customers: tuple[Customer, ...]
    articles: tuple[Article, ...]
    tasks: tuple[Task, ...]
    runs: tuple[ScoredRun, ...]


def made_desk(counts: Mapping[Split, int]) -> Desk:
    """The desk, with so many tasks in each split; a customer for each is all there is."""
    draw = Random(_SEED)
    names = _NAMES.split()
    topics = sorted(topic for each in _TOPICS.values() for topic in each)
    numbers = iter(draw.sample(range(1000, 10_000), len(names) + len(_PLANS) * len(topics)))
    customers = tuple(
        Customer(
            id=f"C-{next(numbers)}",
            name=name,
            email=f"{name.lower()}@example.org",
            plan=draw.choice(_PLANS),
            boxes=draw.randint(1, 40),
        )
        for name in names
    )
    articles = tuple(
        Article(id=f"KB-{next(numbers)}", plan=plan, topic=topic)
        for plan, topic in product(_PLANS, topics)
    )
    right = {(article.plan, article.topic): article for article in articles}
    tasks, runs = [], []
    for number, (split, customer, topic, text) in enumerate(_asked(customers, counts), start=1):
        article = right[customer.plan, topic]
        task = Task(
            id=f"d{number:03d}",
            input=text,
            expected=article.id,
            category=topic,
            group=customer.id,
            split=split,
        )
        tasks.append(task)
        if split is Split.TRAIN:
            runs.append(_settled(task, customer, article))
    return Desk(customers=customers, articles=articles, tasks=tuple(tasks), runs=tuple(runs))


def _asked(
    customers: Sequence[Customer], counts: Mapping[Split, int]
) -> Iterator[tuple[Split, Customer, str, str]]:
    """A customer, a topic and the message for each task; no customer twice."""
    left = iter(customers)
    for split, count in counts.items():
        wordings, topics = cycle(_WORDINGS), cycle(_TOPICS[split])
        for _, wording, topic, customer in zip(range(count), wordings, topics, left, strict=False):
            yield split, customer, topic, wording.format(email=customer.email, topic=topic)


def _settled(task: Task, customer: Customer, article: Article) -> ScoredRun:
    """What a person at the desk did: three look-ups, each with what the one before returned."""
    steps = (
        ToolCall(
            tool="find_customer",
            args={"email": customer.email},
            result={"customer_id": customer.id, "name": customer.name},
        ),
        ToolCall(
            tool="find_plan",
            args={"customer_id": customer.id},
            result={"plan": customer.plan, "boxes": customer.boxes},
        ),
        ToolCall(
            tool="find_article",
            args={"plan": customer.plan, "topic": article.topic},
            result={"article": article.id, "title": article.title},
        ),
    )
    run = Run(
        id=f"by-hand-{task.id}",
        task=task.id,
        input=task.input,
        split=Split.TRAIN,
        task_digest=task.digest,
        steps=steps,
        output=article.id,
    )
    score = Score(name="human", value=1.0, reason="settled by the desk")
    return ScoredRun(run=run, score=score)
