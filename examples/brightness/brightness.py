from vdesc import Candidate, Captioner, hookimpl


class Brightness(Captioner):
    """Says whether a scene is bright or dark."""

    name = "brightness"

    def propose(self, slots, n=1):
        for slot in slots:
            word = "bright" if slot.keyframes[0].pixels().mean() > 127 else "dark"
            yield Candidate(slot=slot.index, text=f"A {word} scene.", source=self.name)


@hookimpl
def captioners():
    return [Brightness]
