"""Weight sets: cards, hashes, and every damaged or hostile file is refused before it is read."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import sys
import time
from dataclasses import replace

import pytest
import torch

from golden import Golden
from nodulerisk.engine.engine import load_network
from nodulerisk.errors import OutputError, WeightsError
from nodulerisk.tasks import TASKS
from nodulerisk.weights import store
from nodulerisk.weights.card import NetworkCard, save_card
from nodulerisk.weights.import_keras import import_keras
from nodulerisk.weights.import_set import import_set
from nodulerisk.weights.store import (
    bundled_root,
    delete_weight_set,
    is_bundled,
    load_weight_set,
    refuse_pickle,
    sha256_of,
    user_root,
    user_set_folder,
    weight_set_names,
)


@pytest.fixture
def copy(weights, tmp_path):
    """A copy of the small weight set, to be damaged."""
    return shutil.copytree(weights.folder, tmp_path / "copy")


def edited_card(folder, **changes) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | changes))


def test_card_round_trips(weights, copy):
    loaded = load_weight_set(copy)
    assert loaded == replace(weights, folder=copy)
    save_card(loaded)
    assert load_weight_set(copy) == loaded


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """The names of the files whose hash is computed, at a time well after they were written."""
    names: list[str] = []
    monkeypatch.setattr(
        store, "sha256_of", lambda path: (names.append(path.name), sha256_of(path))[1]
    )
    later = time.time_ns() + 60 * 10**9
    monkeypatch.setattr(store.time, "time_ns", lambda: later)
    return names


def test_a_files_hash_is_computed_once_until_it_changes(weights, copy, hashed):
    every = sorted(network.file for network in weights.networks.values())
    load_weight_set(copy)
    assert sorted(hashed) == every
    load_weight_set(copy)
    assert sorted(hashed) == every  # remembered
    load_weight_set(copy, anew=True)
    assert sorted(hashed) == sorted(every * 2)  # on demand
    hashed.clear()
    vgg = copy / "vgg.safetensors"
    before = vgg.stat()
    content = bytearray(vgg.read_bytes())
    content[-1] ^= 1
    vgg.write_bytes(content)
    os.utime(vgg, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if nothing had happened
    with pytest.raises(WeightsError, match="vgg.safetensors is not the file"):
        load_weight_set(copy)
    assert hashed == ["vgg.safetensors"]


def test_a_file_written_this_moment_is_hashed_again(weights, copy, monkeypatch):
    names: list[str] = []
    monkeypatch.setattr(
        store, "sha256_of", lambda path: (names.append(path.name), sha256_of(path))[1]
    )
    for _ in range(2):
        load_weight_set(copy)
    assert len(names) == 2 * len(weights.networks)


def test_without_a_place_to_remember_hashes_are_computed_each_time(
    copy, hashed, monkeypatch, tmp_path
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        load_weight_set(copy)
    assert len(hashed) == len(set(hashed)) * 2


def test_sets_are_found_by_name(weights, monkeypatch):
    monkeypatch.setenv("NODULERISK_WEIGHTS", str(weights.folder.parent))
    assert load_weight_set(weights.folder.name) == weights


@pytest.fixture
def own_sets(weights, tmp_path, monkeypatch):
    """The user's folder with two sets of their own, an unfinished import and a stray file."""
    folder = tmp_path / "own sets"
    for name in ("b", "a", "open", ".partial-x/set"):
        shutil.copytree(weights.folder, folder / name)
    (folder / "notes.txt").write_text("mine")
    monkeypatch.setenv("NODULERISK_WEIGHTS", str(folder))
    return folder


def test_sets_are_listed_with_the_bundled_one_first(own_sets):
    assert weight_set_names() == ["open", "a", "b"]
    assert [load_weight_set(name).folder for name in weight_set_names()] == [
        bundled_root() / "open",
        own_sets / "a",
        own_sets / "b",
    ]


def test_own_sets_are_kept_in_the_users_data_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("NODULERISK_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert user_root() == tmp_path / "nodulerisk" / "weights"
    assert weight_set_names() == ["open"]


def test_bundled_sets_are_found_before_platformdirs_is_installed(monkeypatch):
    monkeypatch.delenv("NODULERISK_WEIGHTS", raising=False)
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert weight_set_names() == ["open"]
    with pytest.raises(WeightsError, match="use 'open'"):
        load_weight_set("nowhere")


def test_only_own_sets_are_deleted(own_sets, weights):
    shutil.copytree(weights.folder, own_sets.parent / "elsewhere")
    before = sorted(bundled_root().rglob("*"))
    delete_weight_set("a")
    assert weight_set_names() == ["open", "b"]
    for name in (
        "open",
        "a",
        "nowhere",
        "",
        ".",
        "..",
        "../elsewhere",
        ".partial-x/set",
        str(weights.folder),
    ):
        with pytest.raises(WeightsError):
            delete_weight_set(name)
    assert weight_set_names() == ["open", "b"]
    assert sorted(path.name for path in own_sets.iterdir()) == [
        ".partial-x",
        "b",
        "notes.txt",
        "open",
    ]
    assert sorted(bundled_root().rglob("*")) == before
    assert load_weight_set(own_sets.parent / "elsewhere").hashes() == weights.hashes()


def test_a_link_out_of_the_users_folder_is_not_followed(own_sets, weights):
    (own_sets / "link").symlink_to(weights.folder)
    with pytest.raises(WeightsError):
        delete_weight_set("link")
    assert load_weight_set(weights.folder) == weights


def test_a_new_set_gets_a_folder_of_its_own(own_sets):
    assert user_set_folder("new") == own_sets / "new"
    assert is_bundled("open") and not is_bundled("a") and not is_bundled(str(own_sets / "a"))
    with pytest.raises(WeightsError, match="came with the program"):
        user_set_folder("open")
    with pytest.raises(WeightsError, match="without slashes"):
        user_set_folder("../new")


def test_fault_44_a_set_that_cannot_be_deleted_is_refused_with_its_path(own_sets, monkeypatch):
    def locked(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("shutil.rmtree", locked)
    with pytest.raises(OutputError, match="own sets.a cannot be deleted"):
        delete_weight_set("a")


def test_own_thresholds_replace_the_cards_and_are_not_saved(copy):
    weights = load_weight_set(copy)
    own = weights.with_thresholds({"malignancy": 0.2}).with_thresholds({"margin": 1})
    assert [own.threshold(task) for task in ("malignancy", "margin", "grade")] == [0.2, 1, None]
    assert (weights.threshold("malignancy"), own.tasks) == (0.4, weights.tasks)
    save_card(own)
    assert load_weight_set(copy) == weights


@pytest.mark.parametrize(
    ("task", "value"),
    [
        ("cancer", 0.5),
        ("grade", 0.5),
        ("malignancy", -0.1),
        ("malignancy", 1.1),
        ("margin", float("nan")),
    ],
)
def test_senseless_thresholds_are_refused(weights, task, value):
    with pytest.raises(WeightsError, match=task):
        weights.with_thresholds({task: value})


def test_unknown_set():
    with pytest.raises(WeightsError, match="use 'open'"):
        load_weight_set("nowhere")


def test_fault_33_truncated_safetensors(copy):
    file = copy / "vgg.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match="truncated or was changed"):
        load_weight_set(copy)
    weights = json.loads((copy / "card.json").read_text())["networks"]
    edited_card(copy, networks=weights | {"vgg": weights["vgg"] | {"sha256": sha256_of(file)}})
    with pytest.raises(WeightsError, match="truncated or not safetensors"):
        load_network(load_weight_set(copy), "vgg")


def test_fault_34_changed_file(copy):
    content = bytearray((copy / "inception.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "inception.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="SHA-256 differs"):
        load_weight_set(copy)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.pkl", "w.safetensors", "w.h5"])
@pytest.mark.parametrize(
    "write",
    [lambda path: path.write_bytes(pickle.dumps(Bomb())), lambda path: torch.save(Bomb(), path)],
)
def test_fault_35_pickles_are_never_opened(name, write, tmp_path):
    write(tmp_path / name)
    with pytest.raises(WeightsError, match="pickle"):
        refuse_pickle(tmp_path / name)


def test_fault_35_pickles_are_refused_in_sets_and_imports(copy, tmp_path):
    torch.save(Bomb(), copy / "vgg.safetensors")
    with pytest.raises(WeightsError, match="pickle"):
        load_weight_set(copy)
    (tmp_path / "theirs" / "task1").mkdir(parents=True)
    torch.save(Bomb(), tmp_path / "theirs" / "task1" / "VGG_40.pt")
    with pytest.raises(WeightsError, match="pickle"):
        import_keras(tmp_path / "theirs", tmp_path / "set", "theirs")


def test_fault_37_bloated_header_and_huge_file(copy, monkeypatch):
    file = copy / "vgg.safetensors"
    file.write_bytes(struct.pack("<Q", 1 << 60) + b"{" + b" " * 100)
    networks = json.loads((copy / "card.json").read_text())["networks"]
    edited_card(copy, networks=networks | {"vgg": networks["vgg"] | {"sha256": sha256_of(file)}})
    with pytest.raises(WeightsError, match="truncated or not safetensors"):
        load_network(load_weight_set(copy), "vgg")
    monkeypatch.setattr("nodulerisk.weights.store.MAX_FILE_BYTES", 50)
    with pytest.raises(WeightsError, match="larger than"):
        load_weight_set(copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"tasks": {"malignancy": {"networks": ["other"], "evidence": {"level": "reader"}}}},
        {"mask_network": "vgg"},
        {"networks": {}},
        {
            "tasks": {
                task: {"networks": ["densesharp"], "evidence": {"level": "reader"}}
                for task in TASKS
            }
        },
        {"tasks": {task: {"networks": [], "evidence": {"level": "certain"}} for task in TASKS}},
    ],
)
def test_fault_38_cards_that_do_not_fit(copy, changes):
    edited_card(copy, **changes)
    with pytest.raises(WeightsError, match="card"):
        load_weight_set(copy)


def test_a_card_cannot_point_outside_its_folder(copy):
    networks = json.loads((copy / "card.json").read_text())["networks"]
    edited_card(copy, networks=networks | {"vgg": networks["vgg"] | {"file": "../vgg.safetensors"}})
    shutil.copy(copy / "vgg.safetensors", copy.parent)
    with pytest.raises(WeightsError, match="outside its folder"):
        load_weight_set(copy)


@pytest.fixture(scope="module")
def emv_files(data, tmp_path_factory):
    """Task 2's three files as the authors name them."""
    folder = tmp_path_factory.mktemp("EMV weights") / "task2"
    folder.mkdir()
    names = {
        "task2_incpt40": "Inception_40_Epoch.41-0.8504.h5",
        "task2_vgg60": "VGG_60_Epoch.12-0.91.h5",
    }
    for name, file in (names | {"task2_res40": "Resnet_40_Epoch.77-0.8000.h5"}).items():
        Golden(name, data / "golden").write_h5(folder / file)
    return folder.parent


def test_the_authors_files_become_a_weight_set(emv_files, tmp_path):
    weights = import_keras(emv_files, tmp_path / "emv", "EMV")
    assert load_weight_set(tmp_path / "emv") == weights
    task = weights.tasks["invasiveness"]
    assert (len(task.networks), task.threshold, task.evidence.level) == (3, 0.5624, "pathology")
    assert weights.tasks["malignancy"].networks == ()
    assert weights.scan_order
    network = weights.networks["invasiveness-vgg-60"]
    assert (network.sides, network.size, network.heads) == ((80, 60, 40), 60, (2,))
    assert load_network(weights, "invasiveness-inception-40").input_size == 40


def test_an_incomplete_ensemble_is_refused_and_nothing_is_left(emv_files, tmp_path):
    partial = shutil.copytree(emv_files, tmp_path / "partial")
    next(partial.rglob("VGG*")).unlink()
    with pytest.raises(WeightsError, match="incomplete"):
        import_keras(partial, tmp_path / "set", "EMV")
    cut = next(partial.rglob("Inc*"))
    shutil.copy(cut, cut.with_name("VGG_60_Epoch.1.h5"))
    with pytest.raises(WeightsError, match="another network"):
        import_keras(partial, tmp_path / "set", "EMV")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["partial"]


def test_one_network_alone_has_no_figures_and_several_epochs_one_that_answers(emv_files, tmp_path):
    alone = tmp_path / "alone" / "task2"
    alone.mkdir(parents=True)
    source = next(emv_files.rglob("Inc*"))
    for name in ("Inception_40_Epoch.41-0.8504.h5", "Inception_40_Epoch.52-0.8100.h5"):
        shutil.copy(source, alone / name)
    weights = import_keras(alone.parent, tmp_path / "set", "one")
    assert load_weight_set(tmp_path / "set") == weights
    assert [*weights.networks] == [
        "invasiveness-inception-40",
        "invasiveness-inception-40-epoch-52",
    ]
    task = weights.tasks["invasiveness"]
    assert task.networks == ("invasiveness-inception-40",)
    assert task.threshold is None and task.evidence.figures == {}
    assert "DenseSharp" not in weights.licence


def test_densesharp_as_its_code_names_its_files(data, tmp_path):
    (tmp_path / "theirs").mkdir()
    for name in ("best.h5", "weights.07.h5"):
        Golden("densesharp", data / "golden").write_h5(tmp_path / "theirs" / name)
    weights = import_keras(tmp_path / "theirs", tmp_path / "set", "sharp")
    assert [*weights.networks] == ["densesharp", "densesharp-epoch-7"]
    assert weights.mask_network == "densesharp" and "Apache-2.0" in weights.licence
    assert "EMV" not in weights.licence and "Cancer Research" in weights.attribution


def test_import_refuses_nothing_to_import_and_existing_targets(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match="No weight file"):
        import_keras(tmp_path / "empty", tmp_path / "set", "EMV")
    with pytest.raises(OutputError, match="already exists"):
        import_keras(tmp_path / "empty", tmp_path / "empty", "EMV")


def test_a_network_may_answer_several_tasks():
    card = NetworkCard("vgg", "vgg.safetensors", "", ("malignancy", "grade", "margin"))
    assert card.heads == (2, 3, 2)
    assert [card.columns(task) for task in card.tasks] == [slice(0, 2), slice(2, 5), slice(5, 7)]


def test_a_task_that_a_card_does_not_name_is_not_run(copy):
    density = load_weight_set(copy).tasks["density"]
    assert (density.networks, density.evidence.level) == ((), "none")


def test_a_trained_set_comes_among_one_s_own_without_its_runs(weights, tmp_path):
    trained = tmp_path / "trained"
    shutil.copytree(weights.folder, trained)
    (trained / "runs").mkdir()
    (trained / "runs" / "last.ckpt").write_bytes(b"\0")
    import_set(trained, tmp_path / "own" / "mine", "mine")
    found = load_weight_set(tmp_path / "own" / "mine")
    assert found.name == "mine" and found.hashes() == weights.hashes()
    assert not (found.folder / "runs").exists()
    with pytest.raises(OutputError):
        import_set(trained, tmp_path / "own" / "mine", "mine")
