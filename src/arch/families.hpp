// SPDX-License-Identifier: Apache-2.0
// The families; registry.cpp lists them, and says which file each is in.
#pragma once

#include <string>

#include "arch/arch.hpp"

namespace enlarge {

// compact.cpp: SRVGGNetCompact, "body.0.weight", "body.1.weight", ...
bool is_compact(const StateDict& weights);
Result<Network> build_compact(const StateDict& weights);

// rrdb.cpp: ESRGAN and Real-ESRGAN, four styles of keys. `likely_scale` as in recognise().
bool is_rrdb(const StateDict& weights);
Result<Network> build_rrdb(const StateDict& weights, int likely_scale);

// span.cpp: "conv_1.sk.weight", "block_1.c1_r.eval_conv.weight", ...
bool is_span(const StateDict& weights);
Result<Network> build_span(const StateDict& weights);

// Each: whether the tensors' names are of this family, and the network that they make.
#define ENLARGE_FAMILY(name)                   \
    bool is_##name(const StateDict& weights);  \
    Result<Network> build_##name(const StateDict& weights)

ENLARGE_FAMILY(plksr);       // plksr.cpp: "feats.1.channel_mixer.0.weight"
ENLARGE_FAMILY(spanplus);    // spanplus.cpp: "feats.1.conv_cat.weight"
ENLARGE_FAMILY(spanf);       // spanf.cpp: "conv_near.weight"
ENLARGE_FAMILY(spanv2);      // "block_2.guidance_map_conv.weight"
ENLARGE_FAMILY(spanf3);      // "block_1.att_conv.weight"
ENLARGE_FAMILY(mosr);        // mosr.cpp: "gblocks.1.fc1.weight"
ENLARGE_FAMILY(rtmosr);      // rtmosr.cpp: "body.0.norm.scale"
ENLARGE_FAMILY(rcan);        // residual.cpp: "body.0.body.0.body.3.conv_du.0.weight"
ENLARGE_FAMILY(edsr);        // "conv_after_body.weight" or "tail.1.weight"
ENLARGE_FAMILY(srresnet);    // "conv_hr.weight"
ENLARGE_FAMILY(artcnn);      // "depth_to_space.upscale.0.weight"
ENLARGE_FAMILY(swiftsrgan);  // swiftsrgan.cpp: "initial.cnn.depthwise.weight"
ENLARGE_FAMILY(spsr);        // spsr.cpp: "b_fea_conv.0.weight"
ENLARGE_FAMILY(swinir);      // swinir.cpp: "layers.0.residual_group.blocks.0.attn.qkv.weight"
ENLARGE_FAMILY(hat);         // "layers.0.residual_group.blocks.0.conv_block.cab.0.weight"
ENLARGE_FAMILY(drct);        // "layers.0.adjust5.weight"
ENLARGE_FAMILY(dat);         // dat.cpp: "before_RG.1.weight", "layers.0.blocks.0.attn.dwconv.0.weight"
ENLARGE_FAMILY(fdat);        // fdat.cpp: "groups.0.blocks.0.inter.cg.1.weight"
ENLARGE_FAMILY(esc);         // esc.cpp: "plk_filter"
ENLARGE_FAMILY(moesr);       // moesr.cpp: "in_to_dim.weight"
ENLARGE_FAMILY(omnisr);      // omnisr.cpp: "residual_layer.0.residual_layer.0.layer.0.fn.0.weight"
ENLARGE_FAMILY(srformer);    // srformer.cpp: "layers.0.residual_group.blocks.0.attn.kv.weight"
ENLARGE_FAMILY(rgt);         // rgt.cpp: "before_RG.1.weight", "layers.0.blocks.0.gamma"
ENLARGE_FAMILY(craft);       // craft.cpp: "layers.0.residual_group.hf_blocks.0.attn.temperature"
ENLARGE_FAMILY(ditn);        // ditn.cpp: "UFONE.0.ITLs.0.attn.temperature"
ENLARGE_FAMILY(atd);         // atd.cpp: "layers.0.residual_group.td"
ENLARGE_FAMILY(grl);         // grl.cpp: "norm_start.weight"
ENLARGE_FAMILY(cunet);       // cunet.cpp: "unet1.conv1.conv.0.weight"
ENLARGE_FAMILY(upconv7);     // "net.12.weight"

#undef ENLARGE_FAMILY

// refused.cpp: the family that a file seems to be of, told from its keys; empty when none is known.
std::string refused_family(const StateDict& weights);

}  // namespace enlarge
