// SPDX-License-Identifier: Apache-2.0
// Families that are known from their keys and not supported, so that a file is refused by name. The first match wins;
// the more special of two families with common keys stands first.
#include <array>
#include <string_view>

#include "arch/families.hpp"

namespace enlarge {
namespace {

// A key that must be there; one that ends in '*' must be the beginning of a key.
struct Signature {
    std::string_view family;
    std::array<std::string_view, 3> keys;  // unused ones are empty
};

constexpr Signature kSignatures[] = {
    // Networks of several frames.
    {"SOFVSR, a network of several frames", {"OFR*", "SR*"}},
    {"TSCUNet, a network of several frames", {"m_head*", "m_layers*"}},
    {"TSPAN, a network of several frames", {"center_conv*", "history_convs*"}},
    {"TFDAT, a network of several frames", {"flow_net*", "temporal_fuse*"}},
    {"CAIN, which makes frames between frames", {"encoder.interpolate*"}},
    {"Swin2SR", {"layers.0.residual_group.blocks.0.attn.cpb_mlp*"}},
    {"Swin2SR", {"layers.0.residual_group.blocks.0.attn.logit_scale"}},
    {"SwinIR", {"layers.0.residual_group.blocks.0.norm1.weight"}},
    {"GFPGAN", {"toRGB.0.weight", "stylegan_decoder.style_mlp.1.weight"}},
    {"GFPGAN", {"stylegan_decoderdotto_rgb1dotmodulated_convdotmodulationdotweight"}},
    {"CodeFormer", {"position_emb", "quantize.embedding.weight"}},
    {"RestoreFormer", {"encoder.conv_in.weight", "quantize.embedding.weight"}},
    {"GPEN", {"ecd0.0.weight", "generator.style.1.weight"}},
    {"SAFMN", {"to_feat.weight", "feats.0.norm1.weight"}},
    {"SAFMN", {"to_feat.weight", "feats.0.safm*"}},
    {"waifu2x", {"unet1*"}},
    {"RIFE", {"block0.conv0.0.0.weight"}},
    {"RIFE", {"flownet.block0*"}},
    {"RIFE", {"contextnet*"}},
    {"SCUNet", {"m_head.0.weight", "m_tail.0.weight"}},
    {"FBCNN", {"m_head.weight", "m_tail.weight", "qf_pred*"}},
    {"DRUNet or a related denoiser", {"m_head.weight", "m_tail.weight"}},
    {"KBNet", {"intro.weight", "encoders.0.0.attgamma"}},
    {"NAFNet", {"intro.weight", "ending.weight"}},
    {"FFTformer", {"patch_embed.proj.weight", "encoder_level1.0.ffn.fft"}},
    {"Restormer", {"patch_embed.proj.weight", "encoder_level1.0*"}},
    {"Uformer", {"input_proj.proj.0.weight"}},
    {"MAN", {"head.weight", "body.0.body.0*"}},
    {"LaMa", {"model.model.1.ffc.convl2l.weight"}},
    {"LaMa", {"model.1.ffc.convl2l.weight"}},  // where every name had one more "model."
    {"DDColor", {"encoder.arch.downsample_layers.0.0.weight"}},
    {"BasicVSR", {"spynet*"}},
    {"EDVR", {"pcd_align*"}},
    {"DnCNN", {"model.0.weight", "model.2.weight", "model.3.running_mean"}},
    {"SRResNet (the old ESRGAN code's)", {"model.0.weight", "model.1.sub.0.res.0.weight"}},
    {"MSRResNet", {"conv_first.weight", "recon_trunk.0.conv1.weight"}},
    {"an RRDB discriminator, not a generator", {"conv0.weight", "conv9.weight"}},
    {"a VGG discriminator, not a generator", {"conv0_0.weight", "linear1.weight"}},
    {"Stable Diffusion", {"model.diffusion_model*"}},
};

bool matches(const StateDict& weights, std::string_view pattern) {
    if (!pattern.ends_with('*')) return weights.tensors.contains(std::string(pattern));
    const std::string prefix(pattern.substr(0, pattern.size() - 1));
    const auto found = weights.tensors.lower_bound(prefix);
    return found != weights.tensors.end() && found->first.starts_with(prefix);
}

}  // namespace

std::string refused_family(const StateDict& weights) {
    for (const Signature& signature : kSignatures) {
        bool all = true;
        for (const std::string_view key : signature.keys) all = all && (key.empty() || matches(weights, key));
        if (all) return std::string(signature.family);
    }
    return {};
}

}  // namespace enlarge
