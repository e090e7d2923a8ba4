"""Finding faces, cutting them out upright, and putting them back."""

import numpy as np
import pytest

from engine.images.faces import EYES, SIDE, find_faces
from tests.engine import drawn_face
from tests.engine.drawn_face import PAPER, portrait


def test_a_face_is_found_with_its_eyes() -> None:
    (face,) = find_faces(portrait((300, 240), (200, (60, 20))))
    expected = [(60 + 200 * x, 20 + 200 * y) for x, y in drawn_face.EYES]
    assert np.abs(np.subtract([face.left, face.right], expected)).max() < 6


def test_every_face_is_found_the_largest_first_also_small_ones() -> None:
    faces = find_faces(portrait((460, 220), (60, (10, 100)), (180, (90, 20)), (100, (310, 60))))
    assert [round(face.left[0]) // 100 for face in faces] == [1, 3, 0]


def test_a_large_picture_is_looked_at_smaller_and_the_face_has_its_own_place() -> None:
    (face,) = find_faces(portrait((1800, 500), (400, (1300, 50))))
    assert face.left == pytest.approx((1300 + 400 * 0.375, 50 + 400 * 0.435), abs=14)


def test_where_there_is_no_face_none_is_found() -> None:
    noise = np.random.default_rng(7).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    assert find_faces(noise) == find_faces(np.full((64, 64, 3), 128, np.uint8)) == []


def test_what_is_hardly_there_is_no_face() -> None:
    """Contrast is evened out before looking, which makes much of little."""
    picture = portrait((300, 240), (200, (60, 20)))
    faint = (128 + 0.04 * (picture.astype(float) - 128)).round().astype(np.uint8)
    assert find_faces(faint) == []


def test_a_tilted_face_is_cut_out_upright() -> None:
    (tilted,) = find_faces(portrait((300, 240), (200, (50, 20)), angle=18))
    assert tilted.right[1] < tilted.left[1] - 8
    corners = np.array([[*tilted.left, 1.0], [*tilted.right, 1.0]])
    assert corners @ tilted.matrix.T == pytest.approx(np.array(EYES))


def test_a_cut_face_put_back_unchanged_changes_next_to_nothing() -> None:
    picture = portrait((300, 240), (200, (60, 20)))
    (face,) = find_faces(picture)
    cut = face.cut(picture)
    assert cut.shape == (SIDE, SIDE, 3)
    back = face.put_back(picture, cut, 1.0)
    assert np.abs(back.astype(int) - picture.astype(int)).mean() < 0.2


def test_what_is_put_back_fades_into_a_picture_whose_rest_keeps_every_bit() -> None:
    picture = portrait((460, 240), (100, (20, 60)))
    (face,) = find_faces(picture)
    white = np.full((SIDE, SIDE, 3), 255, np.uint8)
    result = face.put_back(picture, white, 1.0)
    eyes = (round((face.left[0] + face.right[0]) / 2), round(face.left[1]))
    assert (result[eyes[1], eyes[0]] == 255).all()
    changed = (result != picture).any(axis=2)
    assert not changed[:, 240:].any()
    assert (picture[:, 240:] == PAPER).all()
    row = result[eyes[1], :, 0].astype(int)
    assert np.abs(np.diff(row[: eyes[0] - 50])).max() < 40  # paper to white in more than three columns
    half = face.put_back(picture, white, 0.5)
    middle = picture[eyes[1], eyes[0]].astype(float)
    assert half[eyes[1], eyes[0]] == pytest.approx((middle + 255) / 2, abs=1)


def test_no_strength_changes_nothing() -> None:
    picture = portrait((160, 160), (120, (20, 20)))
    (face,) = find_faces(picture)
    assert np.array_equal(face.put_back(picture, 255 - face.cut(picture), 0.0), picture)
