import numpy as np
import pytest
import torch

from deadpan.analysis.latent import latent_incongruity
from deadpan.data.batching import collate
from deadpan.data.dataset import Clip
from deadpan.models import HCTMG, LFLSTM, LMFMulT, MulT
from deadpan.types import AUDIO, TEXT, VISION

from ..contracts.small import WIDTHS, build
from .test_contributions import clips_of


def angle(first, second):
    """1 - cosine, step by step, the slow way."""
    cosines = [float(a @ b / (a.norm() * b.norm())) for a, b in zip(first, second, strict=True)]
    return 1 - sum(cosines) / len(cosines)


@torch.no_grad()
def by_hand(model, clip, target, first, second, own):
    """Of one clip alone, from its encoders called directly as HCT-MG calls them."""
    batch = collate([clip], WIDTHS)
    seen = {}
    hooks = [
        model.get_submodule(name).register_forward_hook(
            lambda _, __, x, name=name: seen.update({name: x[0]})
        )
        for name in (first, second, own)
    ]
    model(batch)
    for hook in hooks:
        hook.remove()
    steps = len(clip.sequences[target])
    before = angle(seen[first][:steps], seen[second][:steps])
    width = seen[own].shape[1] // 2
    return before, angle(seen[own][:steps, :width], seen[own][:steps, width:])


def test_hct_mg_has_one_target_and_it_is_measured_clip_by_clip():
    model = build(HCTMG, primary=AUDIO).eval()
    clips = clips_of(HCTMG, {})
    found = latent_incongruity(model, clips)
    assert list(found) == [AUDIO]
    names = ("crossmodal.auxiliary1_to_primary", "crossmodal.auxiliary2_to_primary")
    for i, clip in enumerate(clips):
        before, after = by_hand(model, clip, AUDIO, *names, "self_attention")
        assert found[AUDIO].before[i] == pytest.approx(before, abs=1e-5)
        assert found[AUDIO].after[i] == pytest.approx(after, abs=1e-5)


def test_mult_has_three_targets():
    model, clips = build(MulT).eval(), clips_of(MulT, {})
    found = latent_incongruity(model, clips)
    assert list(found) == [TEXT, AUDIO, VISION]
    names = ("crossmodal.audio_to_text", "crossmodal.vision_to_text", "self_attention.text")
    before, after = by_hand(model, clips[2], TEXT, *names)
    assert found[TEXT].before[2] == pytest.approx(before, abs=1e-5)
    assert found[TEXT].after[2] == pytest.approx(after, abs=1e-5)
    for latent in found.values():
        for values in (latent.before, latent.after):
            assert ((values >= 0) & (values <= 2)).all()


def test_equal_views_are_at_distance_zero():
    model, clips = build(MulT).eval(), clips_of(MulT, {})
    one, other = (model.crossmodal[f"{source}_to_text"] for source in (AUDIO, VISION))
    for encoder in (one, other):  # what they see no longer matters, and they are the same
        for layer in encoder.layers:
            torch.nn.init.zeros_(layer.attention.output.weight)
    other.load_state_dict(one.state_dict())
    found = latent_incongruity(model, clips)
    np.testing.assert_allclose(found[TEXT].before, 0, atol=1e-6)
    assert (found[AUDIO].before > 0.01).all()


def test_models_without_two_views_have_none_and_no_hook_stays():
    assert latent_incongruity(build(LFLSTM), clips_of(LFLSTM, {})) == {}
    assert latent_incongruity(build(LMFMulT), clips_of(LMFMulT, {})) == {}
    two = {name: WIDTHS[name] for name in (TEXT, AUDIO)}
    assert latent_incongruity(build(MulT, widths=two), clips_of(MulT, {})) == {}
    model = build(MulT)
    latent_incongruity(model, clips_of(MulT, {}))
    assert not any(module._forward_hooks for module in model.modules())


def test_a_clip_that_lacks_the_target_is_not_known():
    clips = clips_of(MulT, {})
    silent = {name: x for name, x in clips[0].sequences.items() if name != TEXT}
    clips[0] = Clip(id="silent", sequences=silent, label=clips[0].label)
    found = latent_incongruity(build(MulT), clips)
    assert np.isnan(found[TEXT].before[0]) and np.isnan(found[TEXT].after[0])
    assert np.isfinite(found[TEXT].before[1:]).all()
    assert np.isfinite(found[AUDIO].before).all()
