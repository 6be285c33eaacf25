"""Speech: both Whispers against their bare libraries on the same chunks; decoding and voice activity by real time.

    OMP_NUM_THREADS=1 python benchmarks/speech.py [FILE] [--chunks 4] [--rounds 3] [--beam 1] [--hour]

FILE is a video with speech, the talk of the shared data by default. The models have the size of Whisper's `tiny` and
random weights that say one sentence of 17 words; both sides get the chunks that our voice activity detection made, the
same language, beams and word times, at temperature 0. They take turns within one run. With OMP_NUM_THREADS=1 processor
seconds are counted, which other programs disturb least. `--hour` repeats the sound of FILE for an hour instead, and
reports the peak memory of decoding it, finding speech in it, and reading its chunks.
"""

import argparse
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from vdesc import Cache, listen
from vdesc.media import probe
from vdesc.registry import create
from vdesc_speech import FasterWhisper, Whisper
from vdesc_speech.voice import chunks, detector, odds, spoken

os.environ["NUMBA_DISABLE_JIT"] = "0"  # the tests' models are made where nothing need be fast
CLOCK = time.process_time if os.environ.get("OMP_NUM_THREADS") == "1" else time.perf_counter
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "plugins"))


def bare_fasterwhisper(plugin: FasterWhisper, sounds: Sequence[np.ndarray]) -> None:
    """The library's own batched pipeline, given the chunks one after the other."""
    from faster_whisper import BatchedInferencePipeline

    ends = np.cumsum([len(samples) for samples in sounds]) / 16000
    clips = [{"start": a, "end": b} for a, b in zip([0, *ends], ends, strict=False)]
    segments, _ = BatchedInferencePipeline(plugin._model).transcribe(
        np.concatenate(sounds), language="en", beam_size=plugin.options.beam, batch_size=len(sounds), temperature=0.0,
        clip_timestamps=clips, vad_filter=False, word_timestamps=True,
    )  # fmt: skip
    list(segments)


def bare_whisper(plugin: Whisper, sounds: Sequence[np.ndarray]) -> None:
    """What the library's `transcribe` does for a window: spectrogram, decoding, words; a chunk at a time.

    `transcribe` itself would go on from the last word's end, which a model of random weights puts anywhere.
    """
    import whisper
    from whisper.timing import add_word_timestamps
    from whisper.tokenizer import get_tokenizer

    model, beam = plugin._model, plugin.options.beam
    how = whisper.DecodingOptions(
        language="en", without_timestamps=True, fp16=False, beam_size=beam if beam > 1 else None
    )
    tokenizer = get_tokenizer(True, num_languages=model.num_languages, language="en", task="transcribe")
    for samples in sounds:
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(samples), model.dims.n_mels)
        result = model.decode(mel, how)
        segment = {"seek": 0, "start": 0.0, "end": len(samples) / 16000, "tokens": result.tokens}
        add_word_timestamps(
            segments=[segment], model=model, tokenizer=tokenizer, mel=mel, num_frames=len(samples) // 160,
            last_speech_timestamp=0.0,
        )  # fmt: skip


def turns(ours: Callable[[], object], bare: Callable[[], object], rounds: int) -> list[tuple[float, float]]:
    """Seconds of both sides in each round, after one that is not counted."""
    took = []
    for number in range(rounds + 1):
        pair = []
        for side in (ours, bare) if number % 2 else (bare, ours):
            start = CLOCK()
            side()
            pair.append(CLOCK() - start)
        took.append((pair[0], pair[1]) if number % 2 else (pair[1], pair[0]))
    return took[1:]


def recognisers(sounds: Sequence[np.ndarray], rounds: int, beam: int, folder: Path) -> None:
    from speech_models import ctranslate2_folder, whisper_checkpoint

    sides = (
        (FasterWhisper, ctranslate2_folder(folder / "ct2", width=384, layers=4), bare_fasterwhisper),
        (Whisper, whisper_checkpoint(folder / "tiny.pt", width=384, layers=4), bare_whisper),
    )
    seconds = sum(len(samples) for samples in sounds) / 16000
    for plugin, model, bare in sides:
        one = create(plugin, model=str(model), beam=beam, language="en")
        one.load("cpu")
        took = turns(lambda one=one: one.hear(sounds, "en"), lambda one=one, bare=bare: bare(one, sounds), rounds)
        ratios = [theirs / mine for mine, theirs in took]
        mine = statistics.median(pair[0] for pair in took)
        print(
            f"{plugin.name:14} {len(sounds)} chunks, {seconds:.0f} s: {mine:6.2f} s, {seconds / mine:5.0f} times real "
            f"time, {statistics.median(ratios):.2f} times the library ({', '.join(f'{r:.2f}' for r in ratios)})"
        )
        one.close()


def hour(source: Path, path: Path) -> Path:
    """`path`, with the sound of the source again and again for an hour, and a picture a second."""
    with av.open(str(source)) as file:
        stream = file.streams.audio[0]
        packets = [(bytes(packet), packet.duration) for packet in file.demux(stream) if packet.size]
        with av.open(str(path), "w") as out:
            picture, sound = out.add_stream("mpeg4", rate=1), out.add_stream_from_template(stream)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
            for second in range(3600):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), second % 256, np.uint8), format="rgb24")
                frame.pts, frame.time_base = second, Fraction(1)
                out.mux(picture.encode(frame))
            out.mux(picture.encode(None))
            at = 0
            while at * stream.time_base < 3600:
                for data, duration in packets:
                    packet = av.Packet(data)
                    packet.stream, packet.pts, packet.dts, packet.duration = sound, at, at, duration
                    packet.time_base = stream.time_base
                    out.mux(packet)
                    at += duration
    return path


def memory() -> float:
    """The most megabytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    talk = ROOT.parent / "shared" / "data" / "clips" / "laion400m_talk_slides.mp4"
    parser.add_argument("file", nargs="?", type=Path, default=talk)
    for name, value in (("chunks", 4), ("rounds", 3), ("beam", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--hour", action="store_true")
    asked = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        video = probe(hour(asked.file, folder / "hour.mkv") if asked.hour else asked.file)
        network, before, start = detector("speech", "asr"), memory(), CLOCK()
        audio = listen(video, Cache(folder / "cache"))
        assert audio, "the file has no sound"
        decoded = CLOCK()
        spans = spoken(odds(network, audio), audio.span)
        found = CLOCK()
        seconds, packed = audio.span.length / 1000, list(chunks(spans))
        print(f"decode to 16 kHz mono  {seconds / (decoded - start):6.0f} times real time")
        print(f"voice activity         {seconds / (found - decoded):6.0f} times real time")
        print(
            f"{seconds:.0f} s of sound, {sum(s.length for s in spans) / 1000:.0f} s of speech in {len(packed)} chunks"
        )
        if asked.hour:
            for chunk in packed:
                chunk.samples(audio)
            print(f"peak memory {memory():.0f} MB, of which {memory() - before:.0f} came with the sound")
        else:
            recognisers([c.samples(audio) for c in packed[: asked.chunks]], asked.rounds, asked.beam, folder)


if __name__ == "__main__":
    main()
