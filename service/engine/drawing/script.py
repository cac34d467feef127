"""A prompt read as a shooting script: where, when, what weather, how the camera moves, who is there."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from service.engine.drawing.chance import dice, pick

PLACES = {
    "space": "space galaxy galaxies nebula planet planets cosmos cosmic orbit asteroid universe starship spaceship",
    "room": "room interior indoors indoor kitchen bedroom office studio library cafe restaurant window hallway",
    "city": "city skyline street streets town downtown neon skyscraper skyscrapers metropolis alley cyberpunk tokyo "
    "rooftop traffic urban",
    "beach": "beach shore sand seaside coastline tropical",
    "sea": "sea ocean harbour harbor lighthouse waves wave coast bay port sailing pier island cliff cliffs fjord",
    "lake": "lake river pond lagoon water reflection",
    "desert": "desert dune dunes sahara canyon mars mesa",
    "forest": "forest woods woodland jungle pine pines trees rainforest grove",
    "mountain": "mountain mountains alps peak peaks summit valley glacier himalaya ridge",
    "field": "field meadow grass hill hills farm countryside prairie garden wheat flowers plain park village",
}
HOURS = {
    "night": "night midnight moon moonlit moonlight starry stars nocturnal aurora",
    "dusk": "dusk twilight evening blue-hour nightfall",
    "dawn": "dawn sunrise daybreak early",
    "sunset": "sunset golden sundown goldenhour",
    "day": "day noon midday daylight sunny morning afternoon bright",
}
WEATHERS = {
    "storm": "storm stormy thunder thunderstorm lightning tempest",
    "rain": "rain rainy raining drizzle wet",
    "snow": "snow snowy snowing snowfall blizzard winter snowflakes",
    "fog": "fog foggy mist misty haze hazy smoke",
    "clouds": "cloud clouds cloudy overcast",
    "clear": "clear cloudless",
}
MOVES = {
    "pan left": r"pan(s|ning)?\s+(slowly\s+)?(to\s+the\s+)?left|left\s+pan",
    "pan right": r"\bpan(s|ning)?\b|tracking|truck|walking|drive|driving|sailing",
    "tilt up": r"tilt(s|ing)?\s+up|crane|rising|looking\s+up",
    "tilt down": r"tilt(s|ing)?\s+down|looking\s+down",
    "zoom out": r"zoom(s|ing)?\s+out|pull(s|ing)?\s+(back|out)|dolly\s+out",
    "zoom in": r"\bzoom|push(es|ing)?\s+in|dolly|close[- ]?up|approach|fly(ing)?|drone|aerial",
    "still": r"static|still\s+camera|locked|tripod|fixed\s+camera|timelapse|time-lapse",
    "sway": r"handheld|hand-held|shaky|pov|first[- ]person",
}
SUBJECTS = {
    "lighthouse": "lighthouse",
    "boat": "boat boats ship ships sail sailing sailboat yacht fisherman vessel fishing",
    "balloon": "balloon balloons airship",
    "castle": "castle fortress tower ruins temple",
    "house": "house home cottage cabin hut farm barn village",
    "car": "car cars truck driving taxi bus vehicle",
    "cat": "cat cats kitten",
    "dog": "dog dogs puppy wolf fox",
    "horse": "horse horses deer",
    "person": "person man woman people walker figure traveller traveler hiker astronaut couple someone she he "
    "knight samurai dancer surfer",
    "tree": "tree oak palm",
    "birds": "bird birds gull gulls seagull seagulls crow crows eagle geese flock",
}


@dataclass(frozen=True)
class Script:
    """What to draw."""

    place: str
    hour: str
    weather: str
    move: str
    subjects: tuple[str, ...]
    key: str

    def dice(self, name: str) -> np.random.Generator:
        """Return dice for one part of the picture, the same whatever else is in it."""
        return dice(self.key, name)


def read(prompt: str, negative: str, seed: object) -> Script:
    """Read a prompt; what it leaves open is chosen by the seed, and what the negative prompt names is not chosen."""
    key = f"{seed}\x1f{prompt}"
    words, unwanted = words_of(prompt), words_of(negative)
    chosen = dice(key, "script")
    places, hours = ("sea", "mountain", "field", "forest", "lake"), ("sunset", "dawn", "day", "dusk", "night")
    skies, moves = (
        ("clear", "clouds", "clear", "clouds", "clouds", "fog"),
        ("zoom in", "pan right", "pan left", "zoom out"),
    )
    # Drawn in one fixed order, so that naming one of them leaves the others as they were.
    open_choices = [pick(chosen, choices) for choices in (places, hours, skies, moves)]
    return Script(
        place=first(PLACES, words, unwanted) or open_choices[0],
        hour=first(HOURS, words, unwanted) or open_choices[1],
        weather=first(WEATHERS, words, unwanted) or open_choices[2],
        move=next((name for name, form in MOVES.items() if re.search(form, prompt.lower())), open_choices[3]),
        subjects=tuple(name for name, listed in SUBJECTS.items() if words & set(listed.split()) - unwanted)[:3],
        key=key,
    )


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text; "golden hour" and "blue hour" count as one word each."""
    joined = text.lower().replace("golden hour", "goldenhour").replace("blue hour", "blue-hour")
    return frozenset(re.findall(r"[a-z][a-z-]*", joined))


def first(table: dict[str, str], words: frozenset[str], unwanted: frozenset[str]) -> str | None:
    """Return the first entry of a table that a prompt names."""
    return next((name for name, listed in table.items() if words & set(listed.split()) - unwanted), None)
