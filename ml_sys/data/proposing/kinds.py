"""Recognise purchases, usage and events by the names and rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.data.looking.columns import words_of

if TYPE_CHECKING:
    from ml_sys.data.looking.columns import SeenColumn
    from ml_sys.data.looking.looked import Looked

_ALL = 0.98
_BOUGHT = (
    *(
        "purchase",
        "order",
        "subscription",
        "invoice",
        "payment",
        "charge",
        "transaction",
        "sale",
        "receipt",
        "billing",
    ),
    *("checkout", "contract", "conversion"),
    *(
        "kauf",
        "kaeuf",
        "bestellung",
        "rechnung",
        "zahlung",
        "vertrag",
        "abonne",
        "achat",
        "commande",
        "compra",
        "pedido",
    ),
    *("订单", "订阅", "购买", "支付", "付款", "充值", "注文", "購入", "契約", "課金", "入金", "請求", "支払"),
    *("المدفوعات", "الفواتير", "المشتريات", "الطلبات", "الاشتراكات", "заказ", "оплат", "платеж", "покупк"),
)
_CONVERTED = (
    *(
        "convert",
        "conversion",
        "paid",
        "purchase",
        "subscribe",
        "subscription",
        "upgrade",
        "won",
        "paying",
    ),
    *("payment", "bought", "ordered", "customer", "gekauft", "bezahlt", "vertragsbeginn"),
    *(
        "支付",
        "付款",
        "购买",
        "付费",
        "契約",
        "購入",
        "課金",
        "入金",
        "成約",
        "有料",
        "الدفع",
        "الشراء",
        "الاشتراك",
    ),
    *("покупк", "оплат"),
)
_BEGAN = (
    "regist",
    "creat",
    "signup",
    "signed",
    "joined",
    "join",
    "since",
    "start",
    "onboard",
    "opened",
    "first",
    "install",
    "enrol",
    "angelegt",
    "anmeld",
    "angemeld",
    *("注册", "创建", "开户", "登録", "作成", "التسجيل", "الإنشاء", "регистр", "создан"),
)
_IN_CHINESE = ("支付", "付款", "购买", "下单")
_FIRST_BOUGHT = ("order", "invoice", "charge", "sale", "contract", "billing", "checkout")
_CHANGES = {
    *("updated", "modified", "last", "latest", "deleted", "synced", "loaded", "exported", "changed"),
    *("refreshed", "letzte", "letzter", "letztes", "letzten", "آخر"),
}
_LAST = ("最終", "最后", "最近", "更新", "последн")
_LOST = {"next", "cancelled", "canceled", "cancel", "failed", "refunded", "renewal", "churned", "lost"}
_ENDS = {"end", "ends", "ended", "finish", "finished", "stop", "stopped"} | {
    *("expire", "expires", "expiry", "due", "until"),
}
_RECORDED = {"created", "inserted", "ingested", "received", "recorded", "imported"} | {
    *("logged", "stored", "processed", "sent"),
}
_EXACT, _ROUGH = {"at", "timestamp", "time", "ts"}, {"date", "day"}
_MOMENT = _EXACT | _ROUGH | {"when", "week", "month", "occurred", "event", "happened", "period"}
_MONEY = {"amount", "price", "revenue", "mrr", "arr", "value", "paid", "fee", "total", "betrag", "preis"} | {
    *(
        "金额",
        "价格",
        "实付金额",
        "订单金额",
        "支付金额",
        "金額",
        "料金",
        "المبلغ",
        "сумма",
        "montant",
        "importe",
    ),
}

_KINDS = {"event", "events", "action", "activity", "kind", "type", "name", "feature", "verb", "category"} | {
    *("page", "screen", "ereignis", "aktion", "vorgang", "typ", "art"),
}
_KINDS_ELSEWHERE = (
    "操作",
    "行動",
    "行为",
    "事件",
    "动作",
    "イベント",
    "النشاط",
    "الحدث",
    "действи",
    "событи",
)
# Ranges of the parts of a moment: hour, minute, second, day, week, month, quarter, of a year.
_PARTS = {"hour", "minute", "second", "weekday", "dow", "day", "week", "month", "quarter", "year", "stunde"}
_BESIDE_PARTS = {"of", "the", "number", "iso", "local", "utc", "event"}
_MOST_OF_A_PART, _FIRST_YEAR = 59, 1900


def _begins(words: list[str], stems: tuple[str, ...]) -> bool:
    # Other alphabets may write several words as one, or an article before them.
    return any(word.startswith(stem) if stem.isascii() else stem in word for word in words for stem in stems)


def is_of_purchases(one: Looked) -> bool:
    """Return whether the names of a table suggest purchases."""
    full = [column for column in one.dates() if column.filled_share >= 0.9]
    if not full:
        return False
    if _begins(one.name.split("_"), _BOUGHT):
        return True
    if any("id" in column.words and _begins(column.words, _BOUGHT) for column in one.columns.values()):
        return True
    paid = any(
        _begins(column.words, ("purchase", "paid", "ordered", "bought", *_IN_CHINESE)) for column in full
    )
    return paid and not any(_begins(column.words, _BEGAN) for column in full)


def is_of_contracts(one: Looked) -> bool:
    """Tell whether a table's name speaks of what may begin before anything is paid, as a trial does."""
    return _begins(one.name.split("_"), ("subscription", "contract", "vertrag", "abonne"))


def is_of_customers(one: Looked) -> bool:
    """Tell whether a table's name says that it holds those that pay."""
    return _begins(one.name.split("_"), ("customer", "client", "subscriber", "paying", "paid", "kunde"))


def conversion_columns(one: Looked) -> list[SeenColumn]:
    """Return the dates of a table whose names suggest conversion."""
    dates = [column for column in one.dates() if not set(column.words) & (_CHANGES | _ENDS | _LOST)]
    named = [
        column
        for column in dates
        if _begins(column.words, _CONVERTED)
        or (_begins(column.words, ("clos",)) and _is_deal(column))
        or _is_first_bought(column)
    ]
    return [column for column in named if not _begins(column.words, ("regist", "signup", "creat"))]


def nobody_says(entities: list[Looked]) -> str:
    """Say that no file shows who converted, or that everyone did."""
    for one in entities:
        for column in conversion_columns(one):
            if column.filled_share >= _ALL:
                return (
                    f"{one.name}.{column.name} is filled in in every row: if it is the conversion day, "
                    "those that have not converted are missing from the table"
                )
    return "no table shows who converted, and when"


def _is_deal(column: SeenColumn) -> bool:
    """Return whether a closing date is that of a deal rather than an account."""
    words = set(column.words)
    return (
        column.filled_share >= 0.98
        or bool(words & {"won", "deal"})
        or any(one.endswith("date") for one in words)
    )


def _is_first_bought(column: SeenColumn) -> bool:
    """Return whether the name of a date means a first purchase."""
    return "first" in column.words and _begins(column.words, _FIRST_BOUGHT)


def began(columns: list[SeenColumn]) -> list[SeenColumn]:
    """Return the dates whose names mean that an entity was created."""
    named = [
        column
        for column in columns
        if _begins(column.words, _BEGAN) and not set(column.words) & _CHANGES and not _is_first_bought(column)
    ]
    joined = [column for column in columns if {"sign", "up"} <= set(column.words)]
    return [*named, *(one for one in joined if one not in named)]


def changes(column: SeenColumn) -> bool:
    """Return whether the name of a date means that it changes later, such as the last login."""
    return bool(set(column.words) & _CHANGES) or any(one in column.name for one in _LAST)


def moments(one: Looked) -> list[SeenColumn]:
    """Return the dates of a usage table that may be when it happened; only one if names decide."""
    dates = [column for column in one.dates() if column.filled_share >= 0.9]
    for unlike in (_ENDS, _CHANGES, _RECORDED, {"first"}):
        others = [column for column in dates if not set(column.words) & unlike]
        dates = others or dates
    exact = [set(column.words) - _EXACT for column in dates if set(column.words) & _EXACT]
    dates = [  # of event_date and event_timestamp the second says more
        column for column in dates if not (set(column.words) & _ROUGH and set(column.words) - _ROUGH in exact)
    ]
    named = [column for column in dates if set(column.words) & _MOMENT]
    return named if len(named) == 1 else dates


def named_like_money(one: Looked) -> list[str]:
    """Return the columns whose names suggest money."""
    return [
        column.name
        for column in one.columns.values()
        if column.looks != "date" and set(column.words) & _MONEY and "id" not in column.words
    ]


def is_part_of_moment(column: SeenColumn) -> bool:
    """Return whether a number is a part of a date or time, such as an hour from 0 to 23."""
    words = set(column.words)
    if column.looks != "whole" or not words & _PARTS or words - _PARTS - _BESIDE_PARTS:
        return False
    return 0 <= column.low <= column.high <= _MOST_OF_A_PART or (
        "year" in words and column.low >= _FIRST_YEAR
    )


def is_event_name(name: str) -> bool:
    """Return whether a column's name suggests kinds of event."""
    words = words_of(name)
    return bool(set(words) & _KINDS) or _begins(words, _KINDS_ELSEWHERE)


def says_bought(kind: str) -> bool:
    """Return whether a kind of event is, by its name, a purchase."""
    words = words_of(kind)
    doing = {
        "viewed",
        "view",
        "page",
        "clicked",
        "failed",
        "started",
        "abandoned",
        "cancelled",
        "click",
        *("open", "intent", "renewed", "renewal", "renew", "renews"),
    }
    return not set(words) & (doing - {"started"}) and _begins(
        words,
        (
            "purchase",
            "payment",
            "subscrib",
            "subscription",
            "upgrade",
            "converted",
            "paid",
            "order",
            "bought",
        ),
    )
