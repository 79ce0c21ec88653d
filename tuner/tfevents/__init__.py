"""TensorBoard event files and the JSON files beside them, using only the standard library."""

from tuner.tfevents.events import Status as Status
from tuner.tfevents.hparams import session_hparams as session_hparams
from tuner.tfevents.json_file import read_json as read_json
from tuner.tfevents.json_file import write_json as write_json
from tuner.tfevents.reader import EventSource as EventSource
from tuner.tfevents.reader import RunEvents as RunEvents
from tuner.tfevents.reader import read_files as read_files
from tuner.tfevents.reader import read_run as read_run
from tuner.tfevents.writer import RunWriter as RunWriter
from tuner.tfevents.writer import event_files as event_files
