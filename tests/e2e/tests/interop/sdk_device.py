"""The platform's official device SDK for Python, as a device that a test can drive. README:

    python sdk_device.py --host 127.0.0.1 --port P --product-key PK --device-name DN --secret DS --tsl FILE --folder DIR [--ca PEM]

It connects with `aliyun-iot-linkkit` 1.2.13 (with `paho-mqtt` below 2; newer ones never call back) and then lives between two streams.
Standard output carries one JSON object per line, each with "happening" saying what it is; a test waits for these lines. Standard input
takes one command per line, the rest of the line being its argument; its end stops the program:

    inform VERSION     report the firmware version            post JSON        post these properties
    query              ask whether there is a firmware        event NAME JSON  raise an event with these outputs

What comes from the platform is answered at once: a property set is acknowledged by the SDK and the values are posted back; a service call
is answered with {"success": 1, "message": "ok"} and code 200; an offered firmware is downloaded into DIR, verified by the SDK, and its version
informed. Every outgoing message is a happening too, so that a test can tell a message not sent from one not answered:

    connected · disconnected · sent{what} · property-reply{code} · event-reply{event,code} · property-set{params} ·
    service{identifier,params} · offer{source,version,size,sign,sign_method,module} · downloaded{verified,bytes,path} · failed{what,why}
"""

import argparse
import json
import os
import queue
import sys
import threading

from linkkit import linkkit

# Offers are downloaded on a thread of their own, because the SDK calls back on the one thread that also answers the platform.
# More than this many unfinished offers mean a test has run away.
MOST_OFFERS = 16

# What this SDK returns when a firmware was downloaded and its digest is the promised one.
VERIFIED = linkkit.LinkKit.ErrorCode.SUCCESS

printing = threading.Lock()


def tell(happening, **more):
    """Prints one happening as one line, whole even when two threads speak at once."""
    with printing:
        print(json.dumps({"happening": happening, **more}, ensure_ascii=False), flush=True)


def arguments():
    parser = argparse.ArgumentParser(description="the official device SDK as a device for tests")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--product-key", required=True)
    parser.add_argument("--device-name", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--tsl", required=True, help="the thing model as the platform's console exports it")
    parser.add_argument("--folder", required=True, help="where downloaded firmware goes")
    parser.add_argument("--ca", help="a PEM file; with it the connection is TLS")
    return parser.parse_args()


class Device:
    """One session of the SDK, with every callback turned into a happening."""

    def __init__(self, args):
        self.folder = args.folder
        self.offers = queue.Queue(MOST_OFFERS)
        self.kit = linkkit.LinkKit(
            host_name=args.host, product_key=args.product_key, device_name=args.device_name, device_secret=args.secret
        )
        if args.ca:
            with open(args.ca, encoding="utf-8") as file:
                self.kit.config_mqtt(endpoint=args.host, port=args.port, secure="TLS", cadata=file.read())
        else:
            self.kit.config_mqtt(endpoint=args.host, port=args.port, secure="")
        if self.kit.thing_setup(args.tsl) != 0:
            raise SystemExit(f"the SDK does not accept the thing model `{args.tsl}`")
        self.kit.on_connect = self.connected
        self.kit.on_disconnect = lambda rc, _: tell("disconnected", code=rc)
        self.kit.on_thing_enable = lambda _: tell("connected")
        self.kit.on_thing_prop_post = lambda request, code, data, message, _: tell("property-reply", code=code, message=message)
        self.kit.on_thing_event_post = lambda event, request, code, data, message, _: tell(
            "event-reply", event=event, code=code, message=message
        )
        self.kit.on_thing_prop_changed = self.property_set
        self.kit.on_thing_call_service = self.service
        self.kit.on_ota_message_arrived = self.offered

    @staticmethod
    def connected(_session, code, _):
        # The SDK also calls this for attempts that failed; the session itself is told by `on_thing_enable`.
        if code != 0:
            tell("failed", what="connect", why=f"code {code}")

    def sent(self, what, answer):
        """The SDK answers a code, or a code with a request id; zero is a message on its way."""
        code = answer[0] if isinstance(answer, tuple) else answer
        if code == 0:
            tell("sent", what=what)
        else:
            tell("failed", what=what, why=f"the SDK answered {code}")

    def property_set(self, params, _):
        tell("property-set", params=params)
        self.post(params)

    def service(self, identifier, request, params, _):
        tell("service", identifier=identifier, params=params)
        self.sent("service-reply", self.kit.thing_answer_service(identifier, request, 200, {"success": 1, "message": "ok"}))

    def offered(self, kind, version, size, url, sign_method, sign, module, _extra):
        source = "push" if kind == 1 else "query"
        tell("offer", source=source, version=version, size=size, sign=sign, sign_method=sign_method, module=module)
        self.offers.put_nowait((version, url, sign_method, sign))

    def download_offers(self):
        """Takes the offers one after the other, for ever."""
        while True:
            version, url, sign_method, sign = self.offers.get()
            path = os.path.join(self.folder, f"firmware-{version}")
            result = self.kit.download_ota_firmware(url, path, sign_method, sign)
            size = os.path.getsize(path) if os.path.exists(path) else 0
            tell("downloaded", verified=result == VERIFIED, result=result.name, version=version, bytes=size, path=path)
            if result == VERIFIED:
                self.inform(version)

    def inform(self, version):
        # This call and the next answer a failure although the message went out: they compare a tuple with a number.
        self.kit.ota_report_version(None, version)
        tell("sent", what="inform", version=version)

    def query(self):
        self.kit.query_ota_firmware()
        tell("sent", what="query")

    def post(self, properties):
        self.sent("post", self.kit.thing_post_property(properties))

    def event(self, name, outputs):
        self.sent("event", self.kit.thing_trigger_event((name, outputs)))

    def obey(self, line):
        word, _, rest = line.partition(" ")
        if word == "inform":
            self.inform(rest)
        elif word == "query":
            self.query()
        elif word == "post":
            self.post(json.loads(rest))
        elif word == "event":
            name, _, outputs = rest.partition(" ")
            self.event(name, json.loads(outputs))
        else:
            tell("failed", what=line, why="not a command")


def main():
    device = Device(arguments())
    threading.Thread(target=device.download_offers, daemon=True).start()
    device.kit.connect_async()
    for line in sys.stdin:
        if line.strip():
            device.obey(line.strip())
    # The SDK's own threads would keep the process alive, also when the platform is gone.
    os._exit(0)


if __name__ == "__main__":
    main()
