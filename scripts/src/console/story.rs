//! What is done on the page, and what must be seen there.

use cloud_emulator::{Package, SignMethod};
use thirtyfour::Key;

use super::failed;
use super::page::Page;
use super::pictures::Pictures;
use crate::demo::gap;
use crate::demo::images::{self, Images};
use crate::stage::Stage;
use crate::step::{Failure, Held, Outcome};

/// Sets 180 °C and waits until the curve, as it is drawn, has risen; for a picture worth keeping, until it has risen far.
pub(super) fn heat(page: &Page, far: bool) -> Outcome {
    page.write("#target-input", "180").map_err(failed)?;
    page.press("#target-form button.main").map_err(failed)?;
    page.reply("#oven-reply", "done").map_err(failed)?;
    page.until(
        "the heater's glow",
        "document.querySelector('.oven.heating')",
    )
    .map_err(failed)?;
    page.write("#timer-input", "12").map_err(failed)?;
    page.press("#timer-form button").map_err(failed)?;
    page.until(
        "the timer on the oven",
        "document.getElementById('timer-label').textContent === '12 min'",
    )
    .map_err(failed)?;
    // The first and the last point of the path that is drawn: a smaller y is higher up.
    let risen = page.until(
        "the curve of the chamber rising",
        "(ends => ends && ends.length > 2 && Number(ends[0]) - Number(ends.at(-1)) > 8 && document.getElementById('digits').textContent)\
         (document.getElementById('curve-chamber').getAttribute('d').match(/(?<= )[\\d.]+/g))",
    );
    let mut shown = risen.map_err(failed)?;
    if far {
        let hot = "(digits => Number(digits) > 80 && digits)(document.getElementById('digits').textContent)";
        shown = page.until("80 °C", hot).map_err(failed)?;
    }
    Ok(Held::with(format!(
        "{} °C and rising",
        shown.as_str().unwrap_or_default()
    )))
}

/// Brings a version by the page's own form, slowed by a fault that is set on the page too, and sees it stay.
pub(super) fn good(page: &Page, stage: &Stage, images: &Images, pictures: &Pictures) -> Outcome {
    let signed = images::publish(stage, "1.0.7", &images.good).map_err(failed)?;
    let minisig = images.good.with_extension("minisig");
    std::fs::write(&minisig, signed.minisig().unwrap_or_default()).map_err(failed)?;
    page.unfold("#package-more").map_err(failed)?;
    page.write("#package-file", &images.good.to_string_lossy())
        .map_err(failed)?;
    page.write("#package-version", "1.0.7").map_err(failed)?;
    page.write("#package-minisig", &minisig.to_string_lossy())
        .map_err(failed)?;
    page.press("#package-form button").map_err(failed)?;
    page.reply("#package-reply", "done").map_err(failed)?;
    page.press("#package-more > summary").map_err(failed)?;

    // Eight seconds of download are long enough to look at and short enough to wait for.
    let size = signed.files[0].size / 8;
    page.choose("#fault-name", "slow").map_err(failed)?;
    page.write("#fault-n", &size.to_string()).map_err(failed)?;
    page.press("#fault-form button").map_err(failed)?;
    page.reply("#fault-reply", "done").map_err(failed)?;

    page.press("#job-form button").map_err(failed)?;
    page.reply("#job-reply", "done").map_err(failed)?;
    page.until(
        "the download under way in the list, on the axis and beside the device",
        "document.querySelector('.task progress').value > 45 && document.querySelector('.phase.downloading') \
         && document.querySelector('.device .state').textContent.includes('downloading')",
    )
    .map_err(failed)?;
    pictures.theme(page, "light").map_err(failed)?;
    pictures.now(page, "downloading").map_err(failed)?;
    page.until(
        "the strike of the fault",
        "document.querySelector('.fault .struck').textContent !== 'struck 0×'",
    )
    .map_err(failed)?;
    page.until(
        "the end of the update",
        "document.querySelector('.task').dataset.state === 'SUCCEEDED'",
    )
    .map_err(failed)?;
    page.until(
        "1.0.7 beside the device",
        "document.querySelector('.device .version').textContent === '1.0.7'",
    )
    .map_err(failed)?;
    let known = gap::mark(stage).map_err(failed)?;
    let gap = page
        .until(
            "the gap on the axis",
            "document.querySelector('.flag.mark text')?.textContent",
        )
        .map_err(failed)?;
    if known.is_none_or(|known| gap != format!("gap {known} ms")) {
        return Err(Failure::new(
            format!("the page shows {gap}, the supervisor says {known:?} ms"),
            super::NEXT,
        ));
    }
    // All the while the heater was on, without a break on the axis.
    let blocks = page
        .ask("document.querySelectorAll('rect.heating').length")
        .map_err(failed)?;
    if blocks != 1 {
        return Err(Failure::new(
            format!("the heater's lane has {blocks} blocks"),
            super::NEXT,
        ));
    }
    page.press(".fault button").map_err(failed)?;
    page.until(
        "the fault off",
        "document.querySelector('.fault').dataset.set === 'false'",
    )
    .map_err(failed)?;
    Ok(Held::with(format!(
        "1.0.0 → 1.0.7 with a {}, the heater on throughout",
        gap.as_str().unwrap_or_default()
    )))
}

/// Brings a version that dies on its trial, and sees it taken back with a reason.
pub(super) fn bad(page: &Page, stage: &Stage, images: &Images, pictures: &Pictures) -> Outcome {
    images::publish(stage, "1.0.8", &images.bad).map_err(failed)?;
    page.until(
        "the bad version in the list",
        "document.querySelector('#job-package option').textContent.startsWith('1.0.8')",
    )
    .map_err(failed)?;
    page.choose("#job-package", "1.0.8").map_err(failed)?;
    page.press("#job-form button").map_err(failed)?;
    page.until(
        "the phase of the trial on the axis",
        "document.querySelectorAll('.phase.restarting').length > 1",
    )
    .map_err(failed)?;
    page.until(
        "the end of the update",
        "document.querySelector('.task').dataset.state === 'FAILED'",
    )
    .map_err(failed)?;
    let why = page
        .ask("document.querySelector('.task .why').textContent")
        .map_err(failed)?;
    let why = why.as_str().unwrap_or_default().to_owned();
    if !why.contains("step -1") {
        return Err(Failure::new(
            format!("no reason is shown but `{why}`"),
            super::NEXT,
        ));
    }
    page.until(
        "its flag on the axis",
        "document.querySelector('.flag.failed text')?.textContent === '✗ 1.0.8'",
    )
    .map_err(failed)?;
    page.until(
        "1.0.7 at rest",
        "document.querySelector('.device .version').textContent === '1.0.7' && document.querySelector('.device .state').textContent === 'on line'",
    )
    .map_err(failed)?;
    for theme in ["dark", "light"] {
        pictures.theme(page, theme).map_err(failed)?;
        let name = format!("console-{theme}");
        pictures.keep(page, &name).map_err(failed)?;
    }
    Ok(Held::with(why))
}

/// What the oven, the platform and the page itself refuse is said in their words, and nothing is pretended.
pub(super) fn refusals(page: &Page) -> Outcome {
    page.write("#target-input", "280").map_err(failed)?;
    page.press("#target-form button.main").map_err(failed)?;
    let hot = page.reply("#oven-reply", "refused").map_err(failed)?;
    page.press("#door").map_err(failed)?;
    page.until("the open door", "document.querySelector('.oven.opened')")
        .map_err(failed)?;
    page.write("#target-input", "200").map_err(failed)?;
    page.press("#target-form button.main").map_err(failed)?;
    let open = page.reply("#oven-reply", "refused").map_err(failed)?;
    page.press("#door").map_err(failed)?;
    page.until("the closed door", "!document.querySelector('.oven.opened')")
        .map_err(failed)?;
    page.unfold("#any").map_err(failed)?;
    page.write("#set-name", "internal_light").map_err(failed)?;
    page.write("#set-value", "1").map_err(failed)?;
    page.press("#set-form button").map_err(failed)?;
    page.reply("#any-reply", "done").map_err(failed)?;
    page.until("the light", "document.querySelector('.oven.lit')")
        .map_err(failed)?;
    page.write("#call-name", "no_such_service")
        .map_err(failed)?;
    page.write("#call-value", "{\"a\":").map_err(failed)?;
    page.press("#call-form button").map_err(failed)?;
    let json = page.reply("#any-reply", "refused").map_err(failed)?;
    page.write("#call-value", "{\"a\": 1}").map_err(failed)?;
    page.press("#call-form button").map_err(failed)?;
    page.until(
        "the service refused",
        "document.getElementById('any-reply').textContent.startsWith('refused with code')",
    )
    .map_err(failed)?;
    page.press("#any > summary").map_err(failed)?;
    page.press("#light").map_err(failed)?;
    page.until("the light off", "!document.querySelector('.oven.lit')")
        .map_err(failed)?;
    // A version that is there already.
    page.choose("#job-package", "1.0.7").map_err(failed)?;
    page.press("#job-form button").map_err(failed)?;
    let same = page.reply("#job-reply", "refused").map_err(failed)?;
    let wanted = [
        (&hot, "240"),
        (&open, "the door is open"),
        (&json, "no JSON"),
        (&same, "1.0.7 already"),
    ];
    match wanted.iter().find(|(words, part)| !words.contains(part)) {
        Some((words, part)) => Err(Failure::new(
            format!("`{part}` is not said in `{words}`"),
            super::NEXT,
        )),
        None => Ok(Held::with(open)),
    }
}

/// The journal is filtered, held still and opened.
pub(super) fn journal(page: &Page) -> Outcome {
    page.write("#by-topic", "/ota/device/+/#").map_err(failed)?;
    page.until(
        "only messages of updates",
        "(rows => rows.length > 3 && rows.every(row => row.textContent.startsWith('/ota/device/')))([...document.querySelectorAll('.entry .subject')])",
    )
    .map_err(failed)?;
    page.write("#by-text", "1.0.8").map_err(failed)?;
    page.until(
        "only those that name 1.0.8",
        "(rows => rows.length > 0 && rows.every(row => row.textContent.includes('1.0.8')))([...document.querySelectorAll('.entry')])",
    )
    .map_err(failed)?;
    page.press(".entry summary").map_err(failed)?;
    page.until(
        "the whole entry",
        "document.querySelector('.entry pre').textContent.includes('\"payload\": {')",
    )
    .map_err(failed)?;
    page.press(".entry summary").map_err(failed)?;
    for field in ["#by-topic", "#by-text"] {
        page.write(field, "x").map_err(failed)?;
        page.key(Key::Backspace).map_err(failed)?;
    }
    // Nothing but the timer makes the oven tell so often.
    page.press("#timer-form button").map_err(failed)?;
    page.reply("#oven-reply", "done").map_err(failed)?;
    page.press("#pause").map_err(failed)?;
    let first = "document.querySelector('.entry').dataset.key";
    let held = page.ask(first).map_err(failed)?;
    page.until(
        "further entries while it is held",
        "/\\([1-9]/.test(document.getElementById('pause').textContent)",
    )
    .map_err(failed)?;
    if page.ask(first).map_err(failed)? != held {
        return Err(Failure::new(
            "the journal moves although it is held",
            super::NEXT,
        ));
    }
    page.press("#pause").map_err(failed)?;
    page.until(
        "the journal going on",
        &format!("{first} !== '{}'", held.as_str().unwrap_or_default()),
    )
    .map_err(failed)?;
    let bound = page
        .ask("document.getElementById('journal-bound').textContent")
        .map_err(failed)?;
    Ok(Held::with(bound.as_str().unwrap_or_default().to_owned()))
}

/// A page that is opened now shows what has happened before it was.
pub(super) fn late(page: &Page) -> Outcome {
    page.home().map_err(failed)?;
    let there = "document.querySelector('.flag.mark') && document.querySelector('.flag.succeeded') && document.querySelector('.flag.failed') \
        && document.querySelector('rect.phase.downloading') && document.querySelectorAll('.lanes rect.version').length === 2 \
        && document.getElementById('curve-chamber').getAttribute('d').split('L').length";
    let points = page
        .until("both updates and the curve", there)
        .map_err(failed)?;
    Ok(Held::with(format!(
        "{points} points of the curve, both updates"
    )))
}

/// Every control is reached by the tab key, in the order of the page, and shows that it has the focus; the oven is switched off by it.
pub(super) fn keyboard(page: &Page) -> Outcome {
    page.home().map_err(failed)?;
    page.until("the oven drawn", "!document.getElementById('oven').hidden")
        .map_err(failed)?;
    let all = "[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex]')]\
        .filter(node => node.checkVisibility() && !node.disabled && !node.closest('.journal') && !(node.type === 'radio' && !node.checked))";
    let count = page
        .ask(&format!("{all}.length"))
        .map_err(failed)?
        .as_u64()
        .unwrap_or(0);
    let focus = "document.activeElement";
    for at in 0..count {
        page.key(Key::Tab).map_err(failed)?;
        let here = format!(
            "(node => ({{at: {all}.indexOf(node), name: node.id || node.textContent.slice(0, 30), \
             seen: [node, node.nextElementSibling].some(it => it && getComputedStyle(it).outlineStyle !== 'none'), \
             named: Boolean(node.textContent.trim() || node.ariaLabel || node.labels?.length || node.getAttribute('aria-labelledby'))}}))({focus})"
        );
        let here = page.ask(&here).map_err(failed)?;
        if here["at"] != at || here["seen"] == false || here["named"] == false {
            return Err(Failure::new(
                format!("tab number {} of {count} leads to {here}", at + 1),
                super::NEXT,
            ));
        }
    }
    page.ask("document.getElementById('target-off').focus()")
        .map_err(failed)?;
    page.key(Key::Enter).map_err(failed)?;
    page.until(
        "the oven off",
        "document.getElementById('target-label').textContent === 'off'",
    )
    .map_err(failed)?;
    page.ask("document.getElementById('target-input').focus()")
        .map_err(failed)?;
    page.key(Key::Enter).map_err(failed)?;
    page.until(
        "the oven on again",
        "document.getElementById('target-label').textContent === '180 °C'",
    )
    .map_err(failed)?;
    page.ask("document.getElementById('chart').focus()")
        .map_err(failed)?;
    page.key(Key::Left).map_err(failed)?;
    page.until(
        "the pointer on the axis",
        "document.querySelector('line.pointer')",
    )
    .map_err(failed)?;
    page.key(Key::Escape).map_err(failed)?;
    Ok(Held::with(format!("{count} stops, each seen and named")))
}

/// An update that would take minutes is cancelled on the page.
pub(super) fn cancel(page: &Page, stage: &Stage) -> Outcome {
    let package = Package::from_bytes("1.0.9", vec![0x5a; 4_000_000]);
    let package = package
        .sign_method(SignMethod::Sha256)
        .signed(stage.publisher(), env!("HOTPLATE_TARGET"));
    stage.emulator().add_firmware(package).map_err(failed)?;
    page.choose("#fault-name", "slow").map_err(failed)?;
    page.write("#fault-n", "20000").map_err(failed)?;
    page.press("#fault-form button").map_err(failed)?;
    page.reply("#fault-reply", "done").map_err(failed)?;
    page.until(
        "the version in the list",
        "document.querySelector('#job-package option').textContent.startsWith('1.0.9')",
    )
    .map_err(failed)?;
    page.press("#job-form button").map_err(failed)?;
    page.until(
        "the update in progress",
        "document.querySelector('.task').dataset.state === 'IN_PROGRESS'",
    )
    .map_err(failed)?;
    page.press(".task button").map_err(failed)?;
    page.until(
        "the update cancelled",
        "document.querySelector('.task').dataset.state === 'CANCELED'",
    )
    .map_err(failed)?;
    let words = page.reply("#job-reply", "done").map_err(failed)?;
    Ok(Held::with(words))
}
