"""Splitters: only good images are trained on, and groups stay together."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate

from skuad.io import ImageSequence
from skuad.metrics import image_roc_auc_scorer
from skuad.model_selection import (
    GoodTrainKFold,
    GoodTrainPredefinedSplit,
    GoodTrainShuffleSplit,
)
from skuad.model_selection._base import guarded

Y = np.repeat([1, -1], [12, 7])
MASK = np.array([[0, 1], [0, 0]], np.uint8)


def codings():
    """The same truth in every form."""
    bad = Y == -1
    drawn = [MASK if b else np.zeros_like(MASK) for b in bad]
    unknown = [MASK if b else None for b in bad]
    unknown[-1] = -1
    return {
        "array": Y,
        "list": Y.tolist(),
        "float": Y.astype(float),
        "column": Y[:, None],
        "series": pd.Series(Y),
        "stack": np.stack(drawn),
        "rows": np.stack(drawn)[:, 0],
        "masks": drawn,
        "unknown": unknown,
        "paths": np.where(bad, "no/such/file.png", ""),
        "path list": np.where(bad, "no/such/file.png", "").tolist(),
        "path series": pd.Series(np.where(bad, "no/such/file.png", "")),
    }


SPLITTERS = [
    GoodTrainKFold(3),
    GoodTrainKFold(3, shuffle=True, random_state=0),
    GoodTrainShuffleSplit(4, random_state=0),
    GoodTrainPredefinedSplit(["train"] * 8 + ["test"] * 11),
]
every_splitter = pytest.mark.parametrize("splitter", SPLITTERS, ids=repr)


def pairs(splitter, y, groups=None):
    return [
        (train.tolist(), test.tolist())
        for train, test in splitter.split(np.zeros(len(y)), y, groups)
    ]


@every_splitter
@pytest.mark.parametrize("coding", codings())
def test_every_coding_of_y_gives_the_same_splits(splitter, coding):
    assert pairs(splitter, codings()[coding]) == pairs(splitter, Y)


@every_splitter
def test_train_sets_are_good_and_test_sets_have_both(splitter):
    splits = pairs(splitter, Y)
    assert len(splits) == splitter.get_n_splits()
    for train, test in splits:
        assert train == sorted(set(train)) and test == sorted(set(test))
        assert not set(train) & set(test)
        assert set(Y[train]) == {1}
        assert set(Y[test]) == {1, -1}


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 5), st.integers(0, 9), st.integers(0, 9), st.booleans(), st.data()
)
def test_kfold_tests_every_image_once(n_splits, n_good, n_bad, shuffle, data):
    y = np.repeat([1, -1], [n_good + n_splits, n_bad + n_splits])
    y = y[data.draw(st.permutations(range(len(y))))]
    splitter = GoodTrainKFold(n_splits, shuffle=shuffle, random_state=0)
    splits = list(splitter.split(y, y))
    tested = np.concatenate([test for _, test in splits])
    assert sorted(tested) == list(range(len(y)))
    for train, test in splits:
        good = set(np.flatnonzero(y == 1))
        assert set(train) == good - set(test)
        for kind in (1, -1):
            n = (y == kind).sum()
            assert n // n_splits <= (y[test] == kind).sum() <= -(-n // n_splits)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 4), st.booleans(), st.data())
def test_kfold_keeps_groups_together(n_splits, shuffle, data):
    n = data.draw(st.integers(2 * n_splits, 40))
    y = np.array(data.draw(st.lists(st.sampled_from([1, -1]), min_size=n, max_size=n)))
    groups = data.draw(st.lists(st.sampled_from("abcdefghij"), min_size=n, max_size=n))
    splitter = GoodTrainKFold(n_splits, shuffle=shuffle, random_state=1)
    try:
        splits = list(splitter.split(y, y, groups))
    except ValueError as error:
        assert "it takes at least one of each" in str(error)
        assume(False)
    tested = np.concatenate([test for _, test in splits])
    assert sorted(tested) == list(range(n))
    groups = np.array(groups)
    for train, test in splits:
        assert not set(groups[train]) & set(groups[test])
        assert (y[train] == 1).all()


def test_kfold_deals_groups_evenly():
    """20 lots of 3 to 22 images: no fold is far from its share."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), np.arange(3, 23))
    y = np.where(rng.random(len(groups)) < 0.3, -1, 1)
    for _, test in GoodTrainKFold(4).split(y, y, groups):
        assert abs((y[test] == 1).sum() - (y == 1).sum() / 4) < 8
        assert abs((y[test] == -1).sum() - (y == -1).sum() / 4) < 5


def test_pure_groups_go_to_every_fold():
    """Lots of only good, and of only defective parts."""
    y = np.repeat([1, 1, 1, -1, -1, -1], 4)
    groups = np.repeat(list("abcdef"), 4)
    for _, test in GoodTrainKFold(3).split(y, y, groups):
        assert sorted(y[test]) == [-1] * 4 + [1] * 4


def test_each_kind_is_dealt_evenly_by_itself():
    """Groups dealt by the number of images alone would part good from defective."""
    sizes, kinds = [10, 8, 7, 6, 5, 4], [1, -1, -1, 1, -1, 1]
    y, groups = np.repeat(kinds, sizes), np.repeat(np.arange(6), sizes)
    for _, test in GoodTrainKFold(2).split(y, y, groups):
        assert (y[test] == 1).sum() == 10
        assert abs((y[test] == -1).sum() - 10) <= 2


def test_good_images_of_a_fold_are_neighbours_and_defects_are_dealt_out():
    (_, first), *_ = GoodTrainKFold(3).split(Y, Y)
    np.testing.assert_array_equal(first, [0, 1, 2, 3, 12, 15, 18])


@every_splitter
def test_splits_repeat(splitter):
    assert pairs(splitter, Y) == pairs(splitter, Y)
    assert pairs(pickle.loads(pickle.dumps(splitter)), Y) == pairs(splitter, Y)
    assert pairs(clone(splitter, safe=False), Y) == pairs(splitter, Y)


def test_random_state():
    first, second = (
        pairs(GoodTrainKFold(3, shuffle=True, random_state=seed), Y) for seed in (0, 1)
    )
    assert first != second
    first, second = (
        pairs(GoodTrainShuffleSplit(3, random_state=seed), Y) for seed in (0, 1)
    )
    assert first != second


def test_shuffle_split_sizes():
    for test_size, n_good, n_bad in [(0.2, 3, 2), (0.5, 6, 4), (0.01, 1, 1)]:
        splitter = GoodTrainShuffleSplit(3, test_size=test_size, random_state=0)
        for train, test in splitter.split(Y, Y):
            assert ((Y[test] == 1).sum(), (Y[test] == -1).sum()) == (n_good, n_bad)
            assert len(train) == 12 - n_good
    splitter = GoodTrainShuffleSplit(3, test_size=0.3, train_size=0.5, random_state=0)
    assert {len(train) for train, _ in splitter.split(Y, Y)} == {6}


def test_shuffle_split_keeps_groups_together():
    groups = np.arange(len(Y)) // 2
    for train, test in GoodTrainShuffleSplit(9, test_size=0.3).split(Y, Y, groups):
        assert not set(groups[train]) & set(groups[test])
        assert set(Y[test]) == {1, -1} and set(Y[train]) == {1}


def test_predefined_folds():
    folds = np.array([-1, -1, -1, 0, 1, 0, 1, -1])
    y = np.array([1, 1, -1, 1, 1, -1, -1, 1])
    splits = pairs(GoodTrainPredefinedSplit(folds), y)
    assert splits == [([0, 1, 4, 7], [3, 5]), ([0, 1, 3, 7], [4, 6])]
    with pytest.raises(ValueError, match=r"2 groups are trained on and tested on.*3"):
        pairs(GoodTrainPredefinedSplit(folds), y, groups=[0, 1, 2, 0, 4, 5, 6, 5])
    pairs(GoodTrainPredefinedSplit(folds), y, groups=np.arange(8))


@pytest.mark.parametrize(
    ("test_fold", "message"),
    [
        (["train", "validation", "test"], r"the entries \['validation'\]"),
        ([0.5, 1.0, 2.0], "dtype float64"),
        ([0, -1], "2 entries for 3 images"),
        ([-1, -1, -1], "no image for a test"),
    ],
)
def test_predefined_folds_that_make_no_sense(test_fold, message):
    with pytest.raises(ValueError, match=message):
        pairs(GoodTrainPredefinedSplit(test_fold), [1, 1, -1])


@every_splitter
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "which images are good"),
        (np.where(Y == 1, 0, 1), r"labels in y are \[0, 1\].*np\.where"),
        (Y == -1, "code them as"),
        (np.where(np.arange(19) == 4, 0, Y), "1 targets of 0 \\(unknown\\)"),
        (np.zeros(19, int), "19 targets of 0"),
        (np.ones(19, int), "19 good and 0 defective"),
        (-np.ones(19, int), "0 good and 19 defective"),
    ],
)
def test_y_that_cannot_be_split(splitter, y, message):
    with pytest.raises(ValueError, match=message):
        list(splitter.split(np.zeros(19), y))


def test_too_few_images_are_counted():
    with pytest.raises(ValueError, match=r"n_splits=8 .* 12 good and 7 defective"):
        list(GoodTrainKFold(8).split(Y, Y))
    with pytest.raises(ValueError, match="test on 4 good and 0 defective") as error:
        list(GoodTrainKFold(2).split(Y, Y, groups=[*"abab", *"c" * 15]))
    assert "split 1" in str(error.value) and "12 good and 7" in str(error.value)
    with pytest.raises(ValueError, match="train on 0 good"):
        list(GoodTrainShuffleSplit(test_size=0.95).split(Y, Y))


@pytest.mark.parametrize(
    ("splitter", "message"),
    [
        (GoodTrainKFold(1), "'n_splits' parameter of GoodTrainKFold"),
        (GoodTrainKFold(3, shuffle="yes"), "'shuffle' parameter"),
        (GoodTrainShuffleSplit(test_size=1), "'test_size' parameter"),
        (GoodTrainShuffleSplit(test_size=0.6, train_size=0.6), "more than all"),
        (GoodTrainPredefinedSplit("train"), "'test_fold' parameter"),
    ],
)
def test_parameters_are_validated(splitter, message):
    with pytest.raises(ValueError, match=message):
        list(splitter.split(Y, Y))


def test_no_image_is_opened_and_lengths_must_match():
    X = ImageSequence([f"no/such/{i}.png" for i in range(19)])
    assert len(list(GoodTrainKFold(3).split(X, Y))) == 3
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        list(GoodTrainKFold(3).split(X, Y[:-1]))


def test_test_sets_are_index_arrays():
    """The guard against subsampling stays out of the way of everything else."""
    _, test = next(iter(GoodTrainKFold(3).split(Y, Y)))
    assert repr(test) == repr(np.asarray(test))
    assert type(test[1:3]) is np.ndarray
    np.testing.assert_array_equal(test[Y[test] == 1], [0, 1, 2, 3])
    np.testing.assert_array_equal(Y[test], [1, 1, 1, 1, -1, -1, -1])
    np.testing.assert_array_equal(test[np.array([0, 4]), ...], [0, 12])
    np.testing.assert_array_equal((test + 1)[np.array([0, 1]), ...], [1, 2])
    assert isinstance(test[0], np.integer)
    pickle.loads(pickle.dumps(test))
    test = guarded(np.arange(4), np.array([False, False, True, True]))
    with pytest.raises(ValueError, match=r"2 out of 4 .* 0 good and 2 defective"):
        test[np.array([2, 3]), ...]
    with pytest.raises(ValueError, match="2 good and 0 defective"):
        test[np.array([0, 1]), ...]


def test_groups_reach_the_splitter(detector, images):
    X, y = images
    groups = np.arange(len(y)) // 2
    labels = np.where(y.any(axis=(1, 2)), -1, 1)
    search = GridSearchCV(
        detector, {"pool": ["max"]}, scoring=image_roc_auc_scorer, cv=GoodTrainKFold(2)
    )
    plain = search.fit(X, labels, groups=groups).cv_results_["mean_test_score"]
    with config_context(enable_metadata_routing=True):
        detector.set_fit_request(groups=False)
        search.set_params(estimator=detector)
        routed = clone(search).fit(X, labels, groups=groups).cv_results_
        np.testing.assert_array_equal(routed["mean_test_score"], plain)
        cross_validate(
            detector,
            X,
            labels,
            scoring=image_roc_auc_scorer,
            cv=GoodTrainKFold(2),
            params={"groups": groups},
        )
    with pytest.raises(ValueError, match="it takes at least one of each"):
        search.fit(X, labels, groups=np.zeros(len(y)))
