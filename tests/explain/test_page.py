"""The page in a real browser: it answers, and fades what the oracle says is pruned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.explain.explainer import explain
from ltp_deploy.explain.html import page_of
from ltp_deploy.runtime.engine import Engine, load
from tests.answers import Survivors, oracle_answers
from tests.explain.browser import Browser, chromium, served

pytestmark = pytest.mark.slow

TEXT = "the film is good . a very bad film was not great , dull dull goods ."
TOKENS = """return Array.from(document.querySelectorAll('#texts [data-pruned]')).map(
  (span) => [span.dataset.state, Number(getComputedStyle(span).opacity)])"""
LAYERS, COUNT = 3, 20  # of `TEXT` with [CLS], [SEP], and "goods" in two


@pytest.fixture(scope="module")
def engines(
    bert_checkpoint: Path, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> Iterator[dict[str, Engine]]:
    ranking = checkpoint_of("bert", "relative", labels=1, id2label=None)
    with (
        load(bundle_of(bert_checkpoint, survivors=False), long_texts="refuse") as reviews,
        load(bundle_of(ranking, survivors=False)) as reranker,
    ):
        yield {"reviews": reviews, "reranker": reranker}


@pytest.fixture(scope="module")
def address(engines: dict[str, Engine]) -> Iterator[str]:
    fastapi = pytest.importorskip("fastapi", reason="FastAPI is not installed")
    from ltp_deploy.explain.router import router

    def make() -> object:
        app = fastapi.FastAPI()
        app.include_router(router(engines))
        return app

    with served(make) as url:
        yield url


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def browser(started: Browser) -> Iterator[Browser]:
    """Nothing may be written to the console."""
    started.errors()
    yield started
    assert started.errors() == []


@pytest.fixture(scope="module")
def expected(bert_checkpoint: Path, engines: dict[str, Engine]) -> list[list[int]]:
    """The positions of `TEXT` that are alive after each layer."""
    return survivors(bert_checkpoint, engines["reviews"], TEXT)[0]


def survivors(checkpoint: Path, engine: Engine, text: str | tuple[str, str]) -> Survivors:
    return oracle_answers(load_encoder(checkpoint), engine.tokenize([text]))[1]


def ask(browser: Browser, text: str, more: str = "") -> None:
    """As a visitor does it."""
    browser.wait("return bundles.length")
    browser.run("$('text').value = arguments[0]; $('more-text').value = arguments[1]", text, more)
    browser.run("$('send').click()")
    browser.wait("return !$('send').hasAttribute('aria-disabled')")


def assert_faded(browser: Browser, alive: list[list[int]], first: int = 0) -> None:
    """Each token from a number on looks as its survival says, in every layer."""
    for step in range(LAYERS + 1):
        browser.run("go(arguments[0])", step)
        tokens = browser.run(TOKENS)[first:]
        kept = range(len(tokens)) if step == 0 else alive[step - 1]
        before = range(len(tokens)) if step < 2 else alive[step - 2]
        for i, (state, opacity) in enumerate(tokens):
            if i in kept:
                assert (state, opacity) == ("alive", 1)
            elif i in before:
                assert (state, opacity) == ("going", 1)
            else:
                assert state == "gone"
                assert opacity < 0.5


def test_it_answers_and_fades_what_the_oracle_prunes(
    browser: Browser, address: str, engines: dict[str, Engine], expected: list[list[int]]
) -> None:
    browser.look(address)
    ask(browser, TEXT)
    assert 0 < len(expected[-1]) < len(expected[0]) < COUNT
    assert_faded(browser, expected)
    (prediction,) = engines["reviews"].predict(TEXT)
    said = browser.run("return $('answer').innerText")
    assert said.splitlines()[0] == prediction.label
    assert f"{100 * float(prediction.scores.max()):.1f} %" in said
    assert browser.run("return $('times').innerText").count(" ms") == 2
    shown = browser.run(
        "return Array.from(document.querySelectorAll('.tokens')).map(p => p.innerText)"
    )
    assert " ".join(shown) == f"[CLS] {TEXT} [SEP]"
    browser.run("go(2)")
    assert browser.run("return $('state').innerText").startswith(
        f"After layer 1: {len(expected[1])} of {COUNT} tokens alive"
    )


def test_ghosts_grow_fainter(browser: Browser, address: str, expected: list[list[int]]) -> None:
    browser.look(address)
    ask(browser, TEXT)
    token = next(i for i in range(COUNT) if i not in expected[0])
    opacities = []
    for step in range(LAYERS + 1):
        browser.run("go(arguments[0])", step)
        opacities.append(browser.run(TOKENS)[token][1])
    assert opacities[0] == opacities[1] == 1
    assert opacities[1] > opacities[2] > opacities[3] > 0


def test_layers_play_by_themselves_and_end(browser: Browser, address: str) -> None:
    browser.look(address, still=False)
    ask(browser, TEXT)
    assert browser.run("return $('play').getAttribute('aria-label')") == "Pause"
    browser.wait("return timer === 0", 30)
    assert browser.run("return Number($('layer').value)") == LAYERS
    browser.run("$('play').click()")
    assert browser.run("return Number($('layer').value)") == 0
    browser.run("$('play').click()")
    assert browser.run("return [timer, $('play').getAttribute('aria-label')]") == [
        0,
        "Play the layers",
    ]


def test_who_wants_no_motion_gets_none(browser: Browser, address: str) -> None:
    browser.look(address, still=True)
    ask(browser, TEXT)
    assert browser.run("return timer") == 0
    assert browser.run(
        "return getComputedStyle(document.querySelector('.tokens span')).transitionDuration"
    ) in ("0s", "0s, 0s, 0s")


def test_a_keyboard_is_enough(browser: Browser, address: str) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.look(address)
    browser.wait("return bundles.length")

    def focus(wanted: str) -> None:
        for _ in range(12):
            browser.press(Keys.TAB)
            if browser.run("return document.activeElement.id") == wanted:
                outline = browser.run(
                    "return getComputedStyle(document.activeElement).outlineWidth"
                )
                assert outline == "2px"
                return
        raise AssertionError(f"Tab never came to {wanted}")

    focus("bundle")
    focus("text")
    browser.run("$('text').select()")
    browser.press("dull film", Keys.TAB)
    assert browser.run("return document.activeElement.id") == "send"
    browser.press(Keys.ENTER)
    browser.wait("return shown")
    assert browser.run("return shown.texts[0].segments[0].text") == "dull film"
    browser.press(Keys.ARROW_RIGHT)
    assert browser.run("return $('layer').value") == "1"
    browser.press(Keys.ARROW_LEFT)
    assert browser.run("return $('layer').value") == "0"
    focus("play")
    focus("layer")
    browser.press(Keys.END)
    assert browser.run("return $('layer').value") == str(LAYERS)
    spoken = browser.run("return $('layer').getAttribute('aria-valuetext')")
    assert spoken.startswith("After layer 2: ")
    browser.press(Keys.HOME, Keys.ARROW_RIGHT)
    assert browser.run("return $('layer').value") == "1"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1000])
def test_it_fits_and_is_legible(dark: bool, width: int, browser: Browser, address: str) -> None:
    browser.look(address, width, 740, dark)
    ask(browser, TEXT)
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; }); go(2)")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(23, 23, 21)") == dark
    contrasts = browser.contrasts()
    assert len(contrasts) > 40
    assert [(text, ratio) for text, ratio in contrasts if ratio < 4.5] == []
    small = browser.run(
        """return Array.from(document.querySelectorAll('button, select, summary, #layer'))
        .filter((e) => e.checkVisibility()).map((e) => [e.id, e.getBoundingClientRect().height])
        .filter(([, height]) => height < 20)"""
    )
    assert small == []


def test_every_control_has_a_name(browser: Browser, address: str) -> None:
    browser.look(address)
    ask(browser, TEXT)
    tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = ("button", "slider", "textbox", "combobox", "radio", "heading", "DisclosureTriangle")
    nodes = [node for node in tree if node.get("role", {}).get("value") in roles]
    assert {"slider", "combobox", "radio", "button"} <= {node["role"]["value"] for node in nodes}
    assert [node for node in nodes if not node.get("name", {}).get("value")] == []


def test_passages_of_a_query_are_ranked(
    browser: Browser, address: str, engines: dict[str, Engine], checkpoint_of: Callable[..., Path]
) -> None:
    passages = ["dull", "a great film .", "the film was not bad"]
    browser.look(address, 360)
    browser.wait("return bundles.length")
    browser.run("$('bundle').value = 'reranker'; $('bundle').dispatchEvent(new Event('change'))")
    ask(browser, "a good film", "\n".join(passages))
    order = [index for index, _ in engines["reranker"].rank("a good film", passages)]
    ranks = browser.run(
        "return Array.from(document.querySelectorAll('.text header')).map(h => h.innerText)"
    )
    for rank, (said, index) in enumerate(zip(ranks, order, strict=True), 1):
        assert said.split("\n")[:2] == [str(rank), f"passage {index + 1}"]
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    checkpoint = checkpoint_of("bert", "relative", labels=1, id2label=None)
    first = 0
    for index in order:
        pair = ("a good film", passages[index])
        (alive,) = survivors(checkpoint, engines["reranker"], pair)
        count = len(engines["reranker"].tokenize([pair]).input_ids)
        browser.run("go(3)")
        states = [state for state, _ in browser.run(TOKENS)[first : first + count]]
        assert [i for i, state in enumerate(states) if state == "alive"] == alive[-1]
        first += count


def test_a_refusal_is_said_and_the_next_text_is_answered(started: Browser, address: str) -> None:
    started.look(address)
    ask(started, "film " * 60)
    assert "more than 40 tokens" in started.run("return $('message').innerText")
    assert started.run("return $('explanation').hidden")
    ask(started, "a film")
    assert started.run("return $('message').innerText") == ""
    assert started.run("return shown.texts[0].segments[0].text") == "a film"
    assert [error for error in started.errors() if "422" not in error] == []


def test_a_file_of_its_own_shows_the_same(
    browser: Browser, tmp_path: Path, engines: dict[str, Engine], expected: list[list[int]]
) -> None:
    file = tmp_path / "picture.html"
    file.write_text(page_of(explain(engines["reviews"], TEXT)))
    browser.look(file.as_uri())
    assert browser.run("return $('question').hidden")
    assert_faded(browser, expected)
    hostile = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 1'> dull"
    file.write_text(page_of(explain(engines["reviews"], hostile[:60])))
    browser.look(file.as_uri())
    assert browser.run("return [shown !== null, window.hit]") == [True, None]
