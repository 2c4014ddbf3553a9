"""The clock of a WhatsApp export: 24 hours, or 12 with words for the half or the part of the day."""

from stages.chat.dates import DateNumbers
from stages.chat.day_periods import common_meanings, hour_of, meanings
from stages.chat.formats.whatsapp_heads import Head

MAX_WORDS = 200  # that are kept; no language has more
LATE_ARRIVAL = 60  # minutes by which a 24-hour clock goes back when summer time ends


class Clock:
    """First `add` reads all heads of a file, then `hour` tells their hours."""

    def __init__(self) -> None:
        self._latest: dict[str, int] = {}  # by word, the hours beside which it stands
        self._hours: set[int] = set()  # of heads without a word
        self._falls_back = self._has_leading_zero = False
        self._previous: tuple[DateNumbers, int] | None = None
        self._hour_of: dict[tuple[str, int], int | None] = {}

    def add(self, head: Head) -> None:
        if head.word:
            if head.word in self._latest or len(self._latest) < MAX_WORDS:
                self._latest[head.word] = max(head.hour, self._latest.get(head.word, 0))
            return
        self._hours.add(head.hour)
        self._has_leading_zero = self._has_leading_zero or head.has_leading_zero
        minutes = head.hour * 60 + head.minute
        previous = self._previous
        if previous and previous[1] - minutes > LATE_ARRIVAL and previous[0] == head.date_numbers:
            self._falls_back = True
        self._previous = head.date_numbers, minutes

    @property
    def lacks_halves(self) -> bool:
        """Whether 12 hours are shown without words: the clock falls back within a day and shows neither 0 nor 13."""
        return self._falls_back and not self._has_leading_zero and self._hours <= set(range(1, 13))

    def hour(self, head: Head) -> int | None:
        """The hour from 0 to 23; None where a word isn't known."""
        if not head.word:
            return head.hour
        key = head.word, head.hour
        if key not in self._hour_of and head.word in self._latest:
            self._hour_of[key] = self._hour_with_word(*key)
        return self._hour_of.get(key)

    def _hour_with_word(self, word: str, hour: int) -> int | None:
        if not meanings(word):  # a word such as the French à, if it stands beside the hours of a 24-hour clock
            return hour if self._latest[word] > 12 else None
        if hour > 12:
            return hour
        return hour_of(hour, common_meanings([other for other in self._latest if meanings(other)])[word])

    @property
    def languages(self) -> set[str]:
        """The languages that have all words of the file; empty where there are no words."""
        words = common_meanings([word for word in self._latest if meanings(word)])
        return set.intersection(*map(set, words.values())) if words else set()
