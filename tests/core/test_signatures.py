"""Signatures: the vendors' own vectors, and everything that must not pass."""

from __future__ import annotations

import base64
import hmac
from hashlib import sha1, sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.ids import HostKind
from bot.core.signatures import TOLERANCE_SECONDS, WeakSecret, check, secret, signing_key

# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
GITHUB_SECRET = b"It's a Secret to Everybody"
GITHUB_BODY = b"Hello, World!"
GITHUB_SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

# The example of the Standard Webhooks libraries and of the service they come from:
# https://docs.svix.com/receiving/verifying-payloads/how-manual
STANDARD_KEY = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD_TIME = 1614265330
STANDARD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(STANDARD_TIME),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def github(headers: dict[str, str], body: bytes, *secrets: bytes) -> bool:
    return ask(HostKind.GITHUB, headers, body, secrets or (GITHUB_SECRET,), ())


def ask(
    kind: HostKind,
    headers: dict[str, str],
    body: bytes,
    secrets: tuple[bytes, ...],
    keys: tuple[bytes, ...],
    now: float = STANDARD_TIME,
) -> bool:
    made = check(kind, headers, secrets, keys, now)
    if made is None:
        return False
    for start in range(0, len(body), 5):
        made.update(body[start : start + 5])
    return made.genuine()


def signed(headers: dict[str, str] | None = None, now: float = STANDARD_TIME) -> bool:
    keys = (signing_key(STANDARD_KEY),)
    return ask(HostKind.GITLAB, {**STANDARD, **(headers or {})}, STANDARD_BODY, (), keys, now)


def test_gitea_writes_the_same_digest_without_its_name() -> None:
    digest = GITHUB_SIGNATURE.removeprefix("sha256=")
    secrets = (b"another secret of today", GITHUB_SECRET)

    def passes(headers: dict[str, str], body: bytes = GITHUB_BODY) -> bool:
        return ask(HostKind.GITEA, headers, body, secrets, ())

    assert passes({"x-gitea-signature": digest})
    assert not passes({"x-gitea-signature": digest}, GITHUB_BODY + b"!")
    assert not ask(HostKind.GITEA, {"x-gitea-signature": digest}, GITHUB_BODY, secrets[:1], ())
    for wrong in ("", GITHUB_SIGNATURE, digest.upper(), digest[:-1], digest + "\n", "é" * 64):
        assert not passes({"x-gitea-signature": wrong})
    assert not passes({"x-hub-signature": "sha1=" + "0" * 40})


def test_githubs_own_vector_passes() -> None:
    assert github({"x-hub-signature-256": GITHUB_SIGNATURE}, GITHUB_BODY)


def test_any_of_several_secrets_will_do_so_that_they_can_be_changed() -> None:
    headers = {"x-hub-signature-256": GITHUB_SIGNATURE}
    assert github(headers, GITHUB_BODY, b"another secret of today", GITHUB_SECRET)
    assert github(headers, GITHUB_BODY, GITHUB_SECRET, b"another secret of today")
    assert not github(headers, GITHUB_BODY, b"another secret of today")


@pytest.mark.parametrize(
    "value",
    [
        "",
        GITHUB_SIGNATURE.upper(),
        GITHUB_SIGNATURE.replace("sha256=", ""),
        GITHUB_SIGNATURE + " ",
        GITHUB_SIGNATURE + "\n",
        GITHUB_SIGNATURE + "," + GITHUB_SIGNATURE,
        GITHUB_SIGNATURE[:-1],
        GITHUB_SIGNATURE[:-1] + "8",
        "sha256=" + "ſ" * 64,
        "sha256=" + "٣" * 64,
        "sha1=" + hmac.new(GITHUB_SECRET, GITHUB_BODY, sha1).hexdigest(),
        "sha256",
    ],
)
def test_only_the_exact_form_passes(value: str) -> None:
    assert not github({"x-hub-signature-256": value}, GITHUB_BODY)


def test_a_valid_sha1_alone_is_not_enough() -> None:
    old = "sha1=" + hmac.new(GITHUB_SECRET, GITHUB_BODY, sha1).hexdigest()
    assert not github({"x-hub-signature": old}, GITHUB_BODY)


def test_one_changed_byte_of_the_body_is_enough() -> None:
    headers = {"x-hub-signature-256": GITHUB_SIGNATURE}
    for place in range(len(GITHUB_BODY)):
        body = bytearray(GITHUB_BODY)
        body[place] ^= 1
        assert not github(headers, bytes(body))
    assert not github(headers, GITHUB_BODY + b"\n")
    assert not github(headers, b"")


def test_without_a_secret_nothing_passes() -> None:
    empty = "sha256=" + hmac.new(b"", GITHUB_BODY, sha256).hexdigest()
    assert not ask(HostKind.GITHUB, {"x-hub-signature-256": empty}, GITHUB_BODY, (), ())
    assert not ask(HostKind.GITLAB, {"x-gitlab-token": ""}, b"", (), ())


def test_a_gitlab_token_is_compared_whole() -> None:
    token = b"glwt-0123456789abcdef"
    for value, passes in (
        ("glwt-0123456789abcdef", True),
        ("glwt-0123456789abcde", False),
        ("glwt-0123456789abcdef ", False),
        ("GLWT-0123456789ABCDEF", False),
        ("glwt-0123456789abcdeé", False),
        ("glwt-0123456789abcde€", False),
        ("", False),
    ):
        assert ask(HostKind.GITLAB, {"x-gitlab-token": value}, b"{}", (token,), ()) is passes


def test_the_standard_vector_passes() -> None:
    assert signed()


def test_one_good_signature_in_a_list_is_enough() -> None:
    good = STANDARD["webhook-signature"]
    wrong = "v1," + base64.b64encode(b"\0" * 32).decode()
    assert signed({"webhook-signature": f"{wrong} v1a,whatever {good}"})
    assert not signed({"webhook-signature": f"{wrong} {wrong}"})
    assert not signed({"webhook-signature": " ".join([wrong] * 16 + [good])})


@pytest.mark.parametrize(
    "value",
    ["", "v1,", "v1", "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "v1,g0hM", "v1,é", ","],
)
def test_other_signatures_do_not_pass(value: str) -> None:
    assert not signed({"webhook-signature": value})


def test_a_signature_is_good_for_five_minutes_either_way() -> None:
    assert signed(now=STANDARD_TIME + TOLERANCE_SECONDS)
    assert signed(now=STANDARD_TIME - TOLERANCE_SECONDS)
    assert not signed(now=STANDARD_TIME + TOLERANCE_SECONDS + 1)
    assert not signed(now=STANDARD_TIME - TOLERANCE_SECONDS - 1)


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "1614265330.0"},
        {"webhook-timestamp": "+1614265330"},
        {"webhook-timestamp": " 1614265330"},
        {"webhook-timestamp": "٣" * 10},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-id": ""},
        {"webhook-id": "msg.1"},
        {"webhook-id": "x" * 300},
    ],
)
def test_id_and_time_have_one_form(headers: dict[str, str]) -> None:
    assert not signed(headers)


def test_with_a_signing_key_a_token_is_worth_nothing() -> None:
    token = b"glwt-0123456789abcdef"
    headers = {"x-gitlab-token": token.decode()}
    keys = (signing_key(STANDARD_KEY),)
    assert not ask(HostKind.GITLAB, headers, STANDARD_BODY, (token,), keys)


@pytest.mark.parametrize("text", [b"", b"\n", b"short", b"x" * 15 + b"\n"])
def test_a_weak_secret_is_refused(text: bytes) -> None:
    with pytest.raises(WeakSecret):
        secret(text)
    assert secret(b"x" * 16 + b"\n") == b"x" * 16


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"glwt-0123456789abcdef", "does not begin with whsec_"),
        (b"whsec_!!!!!!!!!!!!!!!!", "is not base64"),
        (b"whsec_MfKQ9r8GKYqrTwjU", "key of 12 bytes"),
        (b"", "is empty"),
    ],
)
def test_a_signing_key_has_its_form(text: bytes, words: str) -> None:
    with pytest.raises(WeakSecret, match=words) as refused:
        signing_key(text)
    assert text.decode() not in str(refused.value) or not text


@given(
    st.sampled_from(list(HostKind)),
    st.dictionaries(
        st.sampled_from(["x-hub-signature-256", "x-gitlab-token", "x-gitea-signature", *STANDARD]),
        st.text() | st.binary().map(lambda b: b.decode("latin-1")),
    ),
    st.binary(),
)
def test_no_header_raises_or_passes(kind: HostKind, headers: dict[str, str], body: bytes) -> None:
    assert not ask(kind, headers, body, (b"x" * 16,), ())
    assert not ask(kind, headers, body, (), (b"y" * 32,))
