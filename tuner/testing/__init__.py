"""For the tests of others: a service in this process, and contracts for extensions.

    from tuner.testing import SamplerContract, service

Nothing here is a stand-in: the service is the real one, on a database of its own.
"""

from tuner.testing.contracts import PrunerContract as PrunerContract
from tuner.testing.contracts import SamplerContract as SamplerContract
from tuner.testing.exporter_contract import ExporterContract as ExporterContract
from tuner.testing.folder_importer_contract import (
    FolderImporterContract as FolderImporterContract,
)
from tuner.testing.importer_contract import ImporterContract as ImporterContract
from tuner.testing.reader_contract import ReaderContract as ReaderContract
from tuner.testing.service import HeldAttempt as HeldAttempt
from tuner.testing.service import LocalService as LocalService
from tuner.testing.service import service as service
