// SPDX-License-Identifier: Apache-2.0
#include "weights/names.hpp"

#include <algorithm>
#include <cctype>

namespace enlarge {
namespace {

// Of a torch.nn.Sequential around it.
constexpr std::string_view kFirst = "0.";

// What wraps a network: removed wherever all names share it.
constexpr std::string_view kWrappings[] = {"module.",     "_orig_mod.", "_forward_module.", "_fsdp_wrapped_module.",
                                           "params_ema.", "params.",    "state_dict.",      kFirst};

// What training programs call the network that makes pictures; the one to prefer first.
constexpr std::string_view kGenerators[] = {
    "params_ema.", "params-ema.",
    "net_g_ema.", "netG_ema.",     "generator_ema.", "g_ema.",     "ema_model.", "model_ema.", "ema.",
    "net_g.",     "netG.",         "net_G.",         "generator.", "gen.",       "G.",         "model_g.",
    "sr_model.",  "online_model.", "student.",       "backbone.",  "network.",       "net.",       "model.",
    "params.",
};
// Those that networks have in their own names, too: "model.0.weight" is an ESRGAN of the old kind.
constexpr std::string_view kOwnNames[] = {"model.", "net.", "network.", "gen.", "G.", "ema.", kFirst};

constexpr std::string_view kOthers[] = {"discriminator", "net_d", "netD", "net_D", "disc", "D.", "critic", "model_d"};
constexpr std::string_view kLosses[] = {"loss",   "cri_",   "criterion", "lpips", "perceptual", "percep", "vgg",
                                        "metric", "train_", "val_",      "test_", "teacher",    "ssim",   "psnr"};
// Single integers that averages and training keep at the top.
constexpr std::string_view kCounters[] = {"n_averaged", "num_updates", "initted", "step",  "steps",  "global_step",
                                          "iter",       "iteration",   "epoch",   "count", "updates"};
constexpr std::string_view kNever[] = {"optim",  "opt_",   "sched", "lr_",   "callbacks",
                                       "hyper_", "scaler", "amp",   "loops", "rng"};

template <std::size_t n>
bool starts_with_any(std::string_view text, const std::string_view (&list)[n]) {
    return std::any_of(std::begin(list), std::end(list), [&](std::string_view one) { return text.starts_with(one); });
}

bool is_digit(std::string_view text, std::size_t at) {
    return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at]));
}

}  // namespace

bool is_never_weights(std::string_view key) { return starts_with_any(key, kNever); }
bool is_other_network(std::string_view key) {
    return key == "D" || starts_with_any(key, kOthers) || starts_with_any(key, kLosses);
}

TidyNames tidy_names(const std::vector<TensorName>& names) {
    TidyNames tidy;
    tidy.keep.assign(names.size(), true);
    // Counters have no say in what the others share, and are dropped where they do not share it.
    std::vector<bool> weights(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) weights[i] = names[i].elements > 1;
    if (std::none_of(weights.begin(), weights.end(), [](bool w) { return w; })) weights.assign(names.size(), true);
    const auto rest = [&](std::size_t i) { return names[i].name.substr(tidy.prefix); };
    const auto all = [&](auto is) {
        for (std::size_t i = 0; i < names.size(); ++i)
            if (tidy.keep[i] && weights[i] && !is(rest(i))) return false;
        return true;
    };
    const auto any = [&](auto is) { return !all([&](std::string_view name) { return !is(name); }); };
    const auto keep_only = [&](std::string_view prefix) {
        for (std::size_t i = 0; i < names.size(); ++i) tidy.keep[i] = tidy.keep[i] && rest(i).starts_with(prefix);
    };
    const auto strip = [&](std::string_view prefix) {
        if (!all([&](std::string_view name) { return name.size() > prefix.size() && name.starts_with(prefix); }))
            return false;
        const bool own = std::find(std::begin(kOwnNames), std::end(kOwnNames), prefix) != std::end(kOwnNames);
        if (own && any([&](std::string_view name) { return is_digit(name, prefix.size()); })) return false;
        if (prefix == kFirst && all([](std::string_view name) { return name.find('.', kFirst.size()) == name.npos; }))
            return false;  // it is the first layer
        keep_only(prefix);
        tidy.prefix += prefix.size();
        return true;
    };
    const auto choose = [&](std::string_view prefix) {
        const auto wanted = [&](std::string_view name) { return name.starts_with(prefix); };
        if (!any(wanted) || all(wanted)) return false;
        const bool beside_other = any([](std::string_view name) { return starts_with_any(name, kOthers); });
        if (!beside_other && !all([&](std::string_view name) {
                return wanted(name) || is_other_network(name) || starts_with_any(name, kGenerators);
            }))
            return false;
        keep_only(prefix);
        return true;
    };
    if (names.empty()) return tidy;
    constexpr int kMostRounds = 16;
    bool again = true;
    for (int round = 0; again && round < kMostRounds; ++round) {
        again = std::any_of(std::begin(kWrappings), std::end(kWrappings), strip) ||
                std::any_of(std::begin(kGenerators), std::end(kGenerators), choose) ||
                std::any_of(std::begin(kGenerators), std::end(kGenerators), strip);
    }
    for (std::size_t i = 0; i < names.size(); ++i)
        if (tidy.keep[i] && !weights[i] && names[i].integers &&
            std::find(std::begin(kCounters), std::end(kCounters), rest(i)) != std::end(kCounters))
            tidy.keep[i] = false;
    return tidy;
}

}  // namespace enlarge
