"""The embedded list of ImageNet's classes."""

from __future__ import annotations

from mixnet_tools.descriptors.imagenet import WORDNET_ID, imagenet_classes


def test_the_classes_stand_in_the_order_of_their_ids() -> None:
    classes = imagenet_classes()
    ids = [one.wordnet_id for one in classes]
    assert len(set(ids)) == 1000
    assert ids == sorted(ids)
    assert all(WORDNET_ID.fullmatch(one) for one in ids)
    assert sorted(one.devkit_number for one in classes) == list(range(1, 1001))


def test_the_devkits_numbers_are_those_of_its_ground_truth() -> None:
    """Its first lines are 490, 361, 171, 822, 297; the images show a sea snake, an alp, a sheepdog, ..."""
    by_number = {one.devkit_number: (place, one.words[0]) for place, one in enumerate(imagenet_classes())}
    assert [by_number[number] for number in (490, 361, 171, 822, 297)] == [
        (65, "sea snake"),
        (970, "alp"),
        (230, "Shetland sheepdog"),
        (809, "soup bowl"),
        (516, "cradle"),
    ]
