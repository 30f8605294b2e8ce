"""A broker that lets in who is known: by a password, or by a certificate of a CA of its own."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.brokers.broker import Broker, apache, free_port

USER: Final = "tributary"
PASSWORD: Final = "correct-horse-battery"

LISTENERS: Final = """\
listeners=PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller_port}},{ours}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},{ours}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,{map}
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.ssl.ssl.client.auth=required
"""
LOGIN: Final = (
    "listener.name.{name}.scram-sha-512.sasl.jaas.config="
    "org.apache.kafka.common.security.scram.ScramLoginModule required;\n"
)

SASL: Final = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": USER}


@dataclass(frozen=True, slots=True)
class Secured:
    """A broker with one listener for each way in, and one without any guard."""

    broker: Broker
    folder: Path
    ports: Mapping[str, int]

    def address(self, protocol: str) -> str:
        """Return where a way in is."""
        return f"127.0.0.1:{self.ports[protocol]}"

    def options(self, protocol: str) -> dict[str, str]:
        """Return the options of librdkafka for a way in, without the secrets."""
        options = {"security.protocol": protocol}
        if "SASL" in protocol:
            options |= SASL
        if "SSL" in protocol:
            options["ssl.ca.location"] = str(self.folder / "ca.pem")
        if protocol == "SSL":
            options["ssl.certificate.location"] = str(self.folder / "job.pem")
            options["ssl.key.location"] = str(self.folder / "job.key")
        return options


def secured(folder: Path) -> Secured:
    """Prepare the broker, its CA and certificates, and one user."""
    certificates(folder)
    ports = {protocol: free_port() for protocol in ("SASL_PLAINTEXT", "SASL_SSL", "SSL")}
    ours = ",".join(f"{protocol}://127.0.0.1:{port}" for protocol, port in ports.items())
    names = ",".join(f"{each}:{each}" for each in ("PLAINTEXT", *ports))
    more = LISTENERS.format(ours=ours, map=names, folder=folder)
    more += "".join(LOGIN.format(name=name) for name in ("sasl_plaintext", "sasl_ssl"))
    user = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
    return Secured(apache(folder, more, ["--add-scram", user]), folder, ports)


def certificates(folder: Path) -> None:
    """Make a CA, and what it vouches for: the broker, and the job, whose key has a password."""
    _openssl(folder, "req -x509 -nodes -subj /CN=ca -keyout ca.key -out ca.pem", *_NEW)
    by_ca = "-CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:false"
    broker = f"req -x509 -nodes -subj /CN=broker -keyout broker.key -out broker.crt {by_ca}"
    _openssl(folder, broker, *_NEW, "-addext", "subjectAltName=IP:127.0.0.1")
    job = f"req -x509 -subj /CN=job -keyout job.key -out job.pem {by_ca}"
    _openssl(folder, job, *_NEW, "-passout", f"pass:{PASSWORD}")
    both = (folder / "broker.key").read_text() + (folder / "broker.crt").read_text()
    (folder / "broker.pem").write_text(both)


_NEW: Final = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]


def _openssl(folder: Path, command: str, *more: str) -> None:
    words = ["openssl", *command.split(), *more]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
