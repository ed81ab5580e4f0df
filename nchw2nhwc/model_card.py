"""What a result's TFLite metadata says, from the options and the interface of a conversion."""

from __future__ import annotations

from collections.abc import Sequence

from nchw2nhwc.emit.tflite.task_metadata import ENTRY, ModelInfo, TensorNote, build, label_files
from nchw2nhwc.errors import OptionError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.options.metadata import ONLY, labels_by_output

_IMAGE_CHANNELS = (1, 3)
_CHANNELS_LAST = (0, 2, 3, 1)


def card(options: ConvertOptions, stem: str, inputs: Sequence[TensorInfo],
         outputs: Sequence[TensorInfo]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The metadata entry, and the files behind the model; nothing where nothing is said. Raises OptionError for labels that fit no
    output."""
    if not options.describes:
        return {}, {}
    info = ModelInfo(options.model_name or stem, options.model_description, options.model_version, options.model_author,
                     options.model_license)
    labels = {_resolved(outputs, name, texts): texts for name, texts in labels_by_output(options.labels).items()}
    files = {name: "labels.txt" if len(labels) == 1 else f"labels_{k}.txt" for k, name in enumerate(labels)}
    notes = [TensorNote(each.name, labels=labels.get(each.name, ()), file=files.get(each.name, "")) for each in outputs]
    return {ENTRY: build(info, [_input(each) for each in inputs], notes)}, label_files(notes)


def _input(info: TensorInfo) -> TensorNote:
    """Images as such. The normalization that is left to the reader is known only where the model does it: none."""
    channels = info.shape[-1] if info.perm == _CHANNELS_LAST and info.shape[-1] in _IMAGE_CHANNELS else 0
    done = info.preprocessing is not None and info.dtype.kind == "f"
    return TensorNote(info.name, channels, (0.0, 1.0) if channels and done else None)


def _resolved(outputs: Sequence[TensorInfo], name: str, labels: Sequence[str]) -> str:
    """The name of the output that labels are for."""
    known = f"The outputs are: {', '.join(f'{info.name} {list(info.shape)}' for info in outputs)}."
    if name != ONLY and name not in [info.name for info in outputs]:
        raise OptionError(f"there is no output '{name}' to label", advice=known)
    fitting = [info.name for info in outputs if info.shape and info.shape[-1] == len(labels) and name in (ONLY, info.name)]
    if len(fitting) != 1:
        which = f"output '{name}' has another number of places along its last axis" if name != ONLY else (
            f"{len(fitting) or 'no'} outputs have as many places along their last axis")
        raise OptionError(f"there are {len(labels)} labels, and {which}",
                          advice=f"{known} Give one label for each place, and --labels NAME=FILE where several fit.")
    return fitting[0]
