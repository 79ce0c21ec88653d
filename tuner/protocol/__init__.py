"""The messages between worker and server, and nothing else.

Only the standard library is imported, so that training images need no validation library. Times are
seconds since the epoch (UTC, the database's clock) unless a name says otherwise. Every message is
JSON. A non-finite number is never sent as a number: it is the string "nan", "inf" or "-inf", and
only in `Point.value` and `Finish.values`.
"""

from tuner.protocol.backends import BACKEND_VARIABLE as BACKEND_VARIABLE
from tuner.protocol.backends import BACKENDS as BACKENDS
from tuner.protocol.backends import Asked as Asked
from tuner.protocol.backends import Backend as Backend
from tuner.protocol.backends import backend_asked as backend_asked
from tuner.protocol.bounds import CLAIM_TOKEN as CLAIM_TOKEN
from tuner.protocol.bounds import ERROR_LINES as ERROR_LINES
from tuner.protocol.bounds import MAX_BODY_BYTES as MAX_BODY_BYTES
from tuner.protocol.bounds import MAX_ERROR_CHARS as MAX_ERROR_CHARS
from tuner.protocol.bounds import MAX_FOUND as MAX_FOUND
from tuner.protocol.bounds import MAX_FOUND_NAME as MAX_FOUND_NAME
from tuner.protocol.bounds import MAX_HOST_CHARS as MAX_HOST_CHARS
from tuner.protocol.bounds import MAX_IMAGE_CHARS as MAX_IMAGE_CHARS
from tuner.protocol.bounds import MAX_METRIC_BYTES as MAX_METRIC_BYTES
from tuner.protocol.bounds import MAX_METRICS as MAX_METRICS
from tuner.protocol.bounds import MAX_NAME_CHARS as MAX_NAME_CHARS
from tuner.protocol.bounds import MAX_SOURCE_CHARS as MAX_SOURCE_CHARS
from tuner.protocol.bounds import MAX_STEP as MAX_STEP
from tuner.protocol.bounds import check_finish as check_finish
from tuner.protocol.bounds import check_found as check_found
from tuner.protocol.bounds import check_points as check_points
from tuner.protocol.bounds import check_report as check_report
from tuner.protocol.bounds import check_study as check_study
from tuner.protocol.bounds import check_worker as check_worker
from tuner.protocol.bounds import fitting_found as fitting_found
from tuner.protocol.bounds import fitting_metrics as fitting_metrics
from tuner.protocol.bounds import fitting_modules as fitting_modules
from tuner.protocol.bounds import found_problem as found_problem
from tuner.protocol.bounds import metrics_size as metrics_size
from tuner.protocol.bounds import name_problem as name_problem
from tuner.protocol.bounds import step_problem as step_problem
from tuner.protocol.clocks import clock_off_s as clock_off_s
from tuner.protocol.clocks import clocks_text as clocks_text
from tuner.protocol.command import COMMAND_WORDS as COMMAND_WORDS
from tuner.protocol.command import fill_places as fill_places
from tuner.protocol.command import is_one_place as is_one_place
from tuner.protocol.command import places as places
from tuner.protocol.form import MAX_INT as MAX_INT
from tuner.protocol.form import Message as Message
from tuner.protocol.form import ProtocolError as ProtocolError
from tuner.protocol.form import dumps as dumps
from tuner.protocol.image import IMAGE_FACTS as IMAGE_FACTS
from tuner.protocol.image import MAX_FACTS_BYTES as MAX_FACTS_BYTES
from tuner.protocol.image import SHA256 as SHA256
from tuner.protocol.image import ImageFacts as ImageFacts
from tuner.protocol.image import Verified as Verified
from tuner.protocol.image import hash_problem as hash_problem
from tuner.protocol.image import parse_image_facts as parse_image_facts
from tuner.protocol.messages import BEAT_S as BEAT_S
from tuner.protocol.messages import LEASE_S as LEASE_S
from tuner.protocol.messages import NAME_PATTERN as NAME_PATTERN
from tuner.protocol.messages import REPORT_INTERVAL_S as REPORT_INTERVAL_S
from tuner.protocol.messages import VERSION as VERSION
from tuner.protocol.messages import WAKE_UP_TASK as WAKE_UP_TASK
from tuner.protocol.messages import Assignment as Assignment
from tuner.protocol.messages import Beat as Beat
from tuner.protocol.messages import Cause as Cause
from tuner.protocol.messages import Claim as Claim
from tuner.protocol.messages import Device as Device
from tuner.protocol.messages import Finish as Finish
from tuner.protocol.messages import Finished as Finished
from tuner.protocol.messages import Found as Found
from tuner.protocol.messages import Isolation as Isolation
from tuner.protocol.messages import Order as Order
from tuner.protocol.messages import Outcome as Outcome
from tuner.protocol.messages import Point as Point
from tuner.protocol.messages import Reply as Reply
from tuner.protocol.messages import Report as Report
from tuner.protocol.messages import Reproducibility as Reproducibility
from tuner.protocol.messages import WorkerInfo as WorkerInfo
from tuner.protocol.messages import queue_name as queue_name
from tuner.protocol.naming import branch_name as branch_name
from tuner.protocol.naming import dotted_name as dotted_name
from tuner.protocol.naming import free_name as free_name
from tuner.protocol.numbers import WireNumber as WireNumber
from tuner.protocol.numbers import decode_number as decode_number
from tuner.protocol.numbers import encode_number as encode_number
from tuner.protocol.pacing import retry_after_s as retry_after_s
from tuner.protocol.releases import is_older as is_older
from tuner.runtime.system import MAX_DEVICES as MAX_DEVICES
