"""Objects that stand for those of a GPU."""

from drystep.cuda.api.stand_ins import card_of, properties_of
from drystep.gpus.classes import Gpu, read_gpus
from drystep.units import MIB


def test_without_a_named_card_it_is_the_most_able_one() -> None:
    """The newest architecture, so that no program turns off what it would use, and of these the most memory."""
    card, cards = card_of(None), read_gpus().values()
    version = properties_of(card).major, properties_of(card).minor
    assert version == max((properties_of(other).major, properties_of(other).minor) for other in cards)
    peers = [other for other in cards if other.compute_capability == card.compute_capability]
    assert card.visible_mib == max(peer.visible_mib for peer in peers)


def test_properties_of_a_card_of_which_little_is_known() -> None:
    properties = properties_of(Gpu("mine", "My card", visible_mib=1000, context_mib=100))
    assert (properties.name, properties.major, properties.minor) == ("My card", 0, 0)
    assert properties.total_memory == 1000 * MIB
    assert properties.multi_processor_count > 0
