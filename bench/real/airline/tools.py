"""The airline's fourteen tools over its database, so that recorded calls can be replayed.

They answer as the tools of tau-bench's airline did (Yao et al. 2024, arXiv:2406.12045; MIT),
refusals and their wording included; written anew, from their published behaviour and the recorded
outputs. A call that is refused changes nothing.

Next file: `replay.py`.
"""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

__all__ = ["TOOLS", "Refused", "call", "fork", "snapshot"]

Record = dict[str, Any]
Database = dict[str, Record]

_NOW = "2024-05-15T15:00:00"
_BAG, _INSURANCE = 50, 30  # dollars: an extra bag; insurance for one passenger
_NEW_IDS = ("HATHAT", "HATHAU", "HATHAV")


class Refused(Exception):
    """The tool refuses; its message is the recorded output, without "Error: "."""


class _Overlay(dict[str, Any]):
    """Records copied from another table when they are first read, so that a fork costs nothing."""

    def __init__(self, base: dict[str, Any]) -> None:
        super().__init__()
        self._base = base

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or key in self._base

    def __missing__(self, key: str) -> Any:
        self[key] = copy.deepcopy(self._base[key])
        return self[key]

    def snapshot(self) -> "_Overlay":
        """A copy that later changes to this table do not reach."""
        copied = _Overlay(self._base)
        copied.update(copy.deepcopy(dict(self)))
        return copied


def snapshot(database: Database) -> Database:
    """A fork as it is now."""
    return {
        name: table.snapshot() if isinstance(table, _Overlay) else table
        for name, table in database.items()
    }


def fork(database: Database) -> Database:
    """A copy for one run: what calls change is copied, the flights are shared (none changes)."""
    return {
        "flights": database["flights"],
        "reservations": _Overlay(database["reservations"]),
        "users": _Overlay(database["users"]),
    }


def call(database: Database, tool: str, args: Record) -> str:
    """What a tool answers, as text."""
    try:
        answer = TOOLS[tool](database, **args)
    except Refused as refusal:
        return f"Error: {refusal}"
    return answer if isinstance(answer, str) else json.dumps(answer)


def book_reservation(  # noqa: PLR0917 - the tool's own parameters, given by name
    db: Database,
    user_id: str,
    origin: str,
    destination: str,
    flight_type: str,
    cabin: str,
    flights: list[Record],
    passengers: list[Record],
    payment_methods: list[Record],
    total_baggages: int,
    nonfree_baggages: int,
    insurance: str,
) -> Record:
    user = _user(db, user_id)
    booked, price = [], 0
    for flight in flights:
        seat = _seat(db, flight, cabin, len(passengers))
        booked.append({**flight, **seat})
        price += seat["price"] * len(passengers)
    price += _INSURANCE * len(passengers) * (insurance == "yes") + _BAG * nonfree_baggages
    for payment in payment_methods:
        method = user["payment_methods"].get(payment["payment_id"])
        if method is None:
            raise Refused(f"payment method {payment['payment_id']} not found")
        if _is_limited(method) and method["amount"] < payment["amount"]:
            raise Refused(f"not enough balance in payment method {payment['payment_id']}")
    paid = sum(payment["amount"] for payment in payment_methods)
    if paid != price:
        raise Refused(f"payment amount does not add up, total price is {price}, but paid {paid}")
    for payment in payment_methods:
        method = user["payment_methods"][payment["payment_id"]]
        if method["source"] == "gift_card":
            method["amount"] -= payment["amount"]
        elif method["source"] == "certificate":
            del user["payment_methods"][payment["payment_id"]]
    new = next(name for name in _NEW_IDS if name not in db["reservations"])
    reservation = {
        "reservation_id": new,
        "user_id": user_id,
        "origin": origin,
        "destination": destination,
        "flight_type": flight_type,
        "cabin": cabin,
        "flights": booked,
        "passengers": passengers,
        "payment_history": payment_methods,
        "created_at": _NOW,
        "total_baggages": total_baggages,
        "nonfree_baggages": nonfree_baggages,
        "insurance": insurance,
    }
    db["reservations"][new] = copy.deepcopy(reservation)
    user["reservations"].append(new)
    return reservation


def calculate(_: Database, expression: str) -> str:
    if not re.fullmatch(r"[0-9+\-*/(). ]+", expression):
        raise Refused("invalid characters in expression")
    try:
        value = eval(expression, {"__builtins__": None}, {})
    except Exception as error:  # noqa: BLE001 - whatever Python says of a sum is the answer
        raise Refused(str(error)) from None
    return str(round(float(value), 2))


def cancel_reservation(db: Database, reservation_id: str) -> Record:
    reservation = _reservation(db, reservation_id)
    refunds = [
        {"payment_id": paid["payment_id"], "amount": -paid["amount"]}
        for paid in reservation["payment_history"]
    ]
    reservation["payment_history"].extend(refunds)
    reservation["status"] = "cancelled"
    return reservation


def get_reservation_details(db: Database, reservation_id: str) -> Record:
    if reservation_id not in db["reservations"]:
        raise Refused("user not found")  # as the recorded tool says it
    return _reservation(db, reservation_id)


def get_user_details(db: Database, user_id: str) -> Record:
    return _user(db, user_id)


def list_all_airports(_: Database) -> Record:
    return _AIRPORTS


def search_direct_flight(db: Database, origin: str, destination: str, date: str) -> list[Record]:
    return [
        _offer(flight, date)
        for flight in db["flights"].values()
        if flight["origin"] == origin
        and flight["destination"] == destination
        and _is_on_sale(flight, date)
    ]


def search_onestop_flight(
    db: Database, origin: str, destination: str, date: str
) -> list[list[Record]]:
    flights = db["flights"].values()
    found = []
    for first in flights:
        if first["origin"] != origin:
            continue
        for second in flights:
            if second["destination"] != destination or second["origin"] != first["destination"]:
                continue
            overnight = "+1" in first["scheduled_arrival_time_est"]
            day = f"2024-05-{int(date[-2:]) + 1}" if overnight else date
            if first["scheduled_arrival_time_est"] > second["scheduled_departure_time_est"]:
                continue
            if _is_on_sale(first, date) and _is_on_sale(second, day):
                # Seats and prices of the second flight are those of the first day, as recorded.
                found.append(
                    [{**_offer(first, date), "date": date}, {**_offer(second, date), "date": day}]
                )
    return found


def send_certificate(db: Database, user_id: str, amount: int) -> str:
    user = _user(db, user_id)
    for number in (3221322, 3221323, 3221324):
        name = f"certificate_{number}"
        if name not in user["payment_methods"]:
            user["payment_methods"][name] = {"source": "certificate", "amount": amount, "id": name}
            return f"Certificate {name} added to user {user_id} with amount {amount}."
    raise Refused("too many certificates")


def think(_: Database, thought: str) -> str:
    return ""


def transfer_to_human_agents(_: Database, summary: str) -> str:
    return "Transfer successful"


def update_reservation_baggages(
    db: Database, reservation_id: str, total_baggages: int, nonfree_baggages: int, payment_id: str
) -> Record:
    reservation = _reservation(db, reservation_id)
    more = max(0, nonfree_baggages - reservation["nonfree_baggages"])
    _charge(db, reservation, payment_id, _BAG * more)
    reservation["total_baggages"] = total_baggages
    reservation["nonfree_baggages"] = nonfree_baggages
    return reservation


def update_reservation_flights(
    db: Database, reservation_id: str, cabin: str, flights: list[Record], payment_id: str
) -> Record:
    reservation = _reservation(db, reservation_id)
    travellers = len(reservation["passengers"])
    chosen, price = [], 0
    for flight in flights:
        kept = next(
            (f for f in reservation["flights"] if _is_kept(f, flight, cabin, reservation)), None
        )
        if kept is None:
            seat = _seat(db, flight, cabin, travellers)
        else:
            seat = {name: kept[name] for name in ("price", "origin", "destination")}
        chosen.append({**flight, **seat})
        price += seat["price"] * travellers
    price -= sum(flight["price"] for flight in reservation["flights"]) * travellers
    _charge(db, reservation, payment_id, price)
    reservation["flights"] = chosen  # not its cabin: the recorded tool forgot it, too
    return reservation


def update_reservation_passengers(
    db: Database, reservation_id: str, passengers: list[Record]
) -> Record:
    reservation = _reservation(db, reservation_id)
    if len(passengers) != len(reservation["passengers"]):
        raise Refused("number of passengers does not match")
    reservation["passengers"] = passengers
    return reservation


def _user(db: Database, user_id: str) -> Record:
    if user_id not in db["users"]:
        raise Refused("user not found")
    found: Record = db["users"][user_id]
    return found


def _reservation(db: Database, reservation_id: str) -> Record:
    if reservation_id not in db["reservations"]:
        raise Refused("reservation not found")
    found: Record = db["reservations"][reservation_id]
    return found


def _is_limited(method: Record) -> bool:
    return method["source"] in {"gift_card", "certificate"}


def _is_kept(held: Record, wanted: Record, cabin: str, reservation: Record) -> bool:
    same = all(held[name] == wanted[name] for name in ("flight_number", "date"))
    return same and cabin == reservation["cabin"]


def _seat(db: Database, flight: Record, cabin: str, travellers: int) -> Record:
    """Price and route of a flight that still has seats."""
    number, date = flight["flight_number"], flight["date"]
    known = db["flights"].get(number)
    if known is None:
        raise Refused(f"flight {number} not found")
    if date not in known["dates"]:
        raise Refused(f"flight {number} not found on date {date}")
    day = known["dates"][date]
    if day["status"] != "available":
        raise Refused(f"flight {number} not available on date {date}")
    if day["available_seats"][cabin] < travellers:
        raise Refused(f"not enough seats on flight {number}")
    return {
        "price": day["prices"][cabin],
        "origin": known["origin"],
        "destination": known["destination"],
    }


def _charge(db: Database, reservation: Record, payment_id: str, price: int) -> None:
    """Take a price from a payment method, or give it back where it is negative."""
    methods = db["users"][reservation["user_id"]]["payment_methods"]
    if payment_id not in methods:
        raise Refused("payment method not found")
    method = methods[payment_id]
    if method["source"] == "certificate":
        raise Refused("certificate cannot be used to update reservation")
    if method["source"] == "gift_card" and method["amount"] < price:
        raise Refused("gift card balance is not enough")
    if method["source"] == "gift_card":
        method["amount"] -= price
    if price != 0:
        reservation["payment_history"].append({"payment_id": payment_id, "amount": price})


def _is_on_sale(flight: Record, date: str) -> bool:
    return date in flight["dates"] and flight["dates"][date]["status"] == "available"


def _offer(flight: Record, date: str) -> Record:
    out = {name: value for name, value in flight.items() if name != "dates"}
    return {**out, **flight["dates"][date]}


_AIRPORTS = {
    "SFO": "San Francisco",
    "JFK": "New York",
    "LAX": "Los Angeles",
    "ORD": "Chicago",
    "DFW": "Dallas",
    "DEN": "Denver",
    "SEA": "Seattle",
    "ATL": "Atlanta",
    "MIA": "Miami",
    "BOS": "Boston",
    "PHX": "Phoenix",
    "IAH": "Houston",
    "LAS": "Las Vegas",
    "MCO": "Orlando",
    "EWR": "Newark",
    "CLT": "Charlotte",
    "MSP": "Minneapolis",
    "DTW": "Detroit",
    "PHL": "Philadelphia",
    "LGA": "LaGuardia",
}

TOOLS: dict[str, Callable[..., Any]] = {
    tool.__name__: tool
    for tool in (
        book_reservation,
        calculate,
        cancel_reservation,
        get_reservation_details,
        get_user_details,
        list_all_airports,
        search_direct_flight,
        search_onestop_flight,
        send_certificate,
        think,
        transfer_to_human_agents,
        update_reservation_baggages,
        update_reservation_flights,
        update_reservation_passengers,
    )
}
