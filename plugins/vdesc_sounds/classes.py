"""The 521 classes: their names, which of them are kinds of which, and which are no events."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

NAMES = Path(__file__).with_name("yamnet_class_map.csv")

GENERAL = {
    "Speech": "Speech synthesizer", "Shout": "Children shouting", "Laughter": "Chuckle, chortle",
    "Crying, sobbing": "Wail, moan", "Singing": "Synthetic singing", "Breathing": "Snort", "Cough": "Throat clearing",
    "Hands": "Clapping", "Heart sounds, heartbeat": "Heart murmur",
    "Crowd": "Hubbub, speech noise, speech babble",
    "Animal": "Whale vocalization", "Domestic animals, pets": "Caterwaul", "Dog": "Whimper (dog)", "Cat": "Caterwaul",
    "Livestock, farm animals, working animals": "Honk", "Horse": "Neigh, whinny", "Cattle, bovinae": "Cowbell",
    "Pig": "Oink", "Goat": "Bleat", "Fowl": "Honk", "Chicken, rooster": "Crowing, cock-a-doodle-doo",
    "Turkey": "Gobble", "Duck": "Quack", "Goose": "Honk", "Wild animals": "Whale vocalization",
    "Roaring cats (lions, tigers)": "Roar", "Bird": "Bird flight, flapping wings",
    "Bird vocalization, bird call, bird song": "Squawk", "Pigeon, dove": "Coo", "Crow": "Caw", "Owl": "Hoot",
    "Rodents, rats, mice": "Patter", "Insect": "Bee, wasp, etc.", "Fly, housefly": "Buzz", "Frog": "Croak",
    "Snake": "Rattle",
    "Music": "Scary music", "Musical instrument": "Scratching (performance technique)",
    "Plucked string instrument": "Ukulele", "Guitar": "Strum", "Keyboard (musical)": "Harpsichord",
    "Piano": "Electric piano", "Organ": "Hammond organ", "Percussion": "Steelpan", "Drum kit": "Drum machine",
    "Drum": "Tabla", "Cymbal": "Hi-hat", "Mallet percussion": "Steelpan", "Brass instrument": "Trombone",
    "Bowed string instrument": "Double bass", "Wind instrument, woodwind instrument": "Clarinet",
    "Bell": "Change ringing (campanology)", "Chime": "Wind chime", "Rock music": "Psychedelic rock",
    "Rhythm and blues": "Soul music", "Electronic music": "Trance music",
    "Wind": "Wind noise (microphone)", "Thunderstorm": "Thunder", "Water": "Gurgling", "Rain": "Rain on surface",
    "Ocean": "Waves, surf", "Fire": "Crackle",
    "Vehicle": "Skateboard", "Boat, Water vehicle": "Ship", "Motor vehicle (road)": "Traffic noise, roadway noise",
    "Car": "Race car, auto racing", "Vehicle horn, car horn, honking": "Toot", "Skidding": "Tire squeal",
    "Truck": "Ice cream truck, ice cream van", "Emergency vehicle": "Fire engine, fire truck (siren)",
    "Rail transport": "Subway, metro, underground", "Train": "Train wheels squealing",
    "Aircraft": "Fixed-wing aircraft, airplane", "Aircraft engine": "Propeller, airscrew",
    "Engine": "Accelerating, revving, vroom",
    "Door": "Squeak", "Typing": "Computer keyboard", "Alarm": "Steam whistle", "Telephone": "Busy signal",
    "Siren": "Civil defense siren", "Mechanisms": "Single-lens reflex camera", "Clock": "Tick-tock",
    "Tools": "Drill", "Power tool": "Drill", "Explosion": "Boom", "Gunshot, gunfire": "Cap gun",
    "Fireworks": "Firecracker", "Wood": "Crack", "Glass": "Shatter", "Liquid": "Stir", "Noise": "Pink noise",
}  # fmt: skip
"""General sounds, and the last of their kinds: those are the classes from the next one on to that."""

NO_EVENTS = (
    "Silence", "Inside, small room", "Inside, large room or hall", "Inside, public space",
    "Outside, urban or manmade", "Outside, rural or natural", "Reverberation", "Echo", "Field recording",
)  # fmt: skip
"""What says where a microphone stood, or that there is nothing to hear; told only where it is asked for by name."""


@cache
def names() -> tuple[str, ...]:
    """The display names, in the order of the network's scores."""
    with NAMES.open(encoding="utf-8", newline="") as file:
        return tuple(row["display_name"] for row in csv.DictReader(file))


@cache
def kinds() -> dict[str, frozenset[str]]:
    """The more specific sounds of each general one."""
    order = names()
    return {
        general: frozenset(order[order.index(general) + 1 : order.index(last) + 1]) for general, last in GENERAL.items()
    }
