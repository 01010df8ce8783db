// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <set>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/importer.hpp"
#include "weights/bytes.hpp"

namespace enlarge {
namespace {

struct Family {
    std::string_view names;  // all that Network::family can be, apart by '|'
    bool (*matches)(const StateDict&);
    Result<Network> (*build)(const StateDict&, int likely_scale);
};

template <auto build>
Result<Network> whatever_scale(const StateDict& weights, int) {
    return build(weights);
}

#define FAMILY(names, name) {names, is_##name, whatever_scale<build_##name>}

// The more special of two with common keys stands first.
constexpr Family kFamilies[] = {
    FAMILY("SPSR", spsr),
    FAMILY("Compact", compact),
    {"RRDB", is_rrdb, build_rrdb},
    FAMILY("SPANF3", spanf3),
    FAMILY("SPANF", spanf),
    FAMILY("SPANV2", spanv2),
    FAMILY("SPAN", span),
    FAMILY("SPANPlus", spanplus),
    FAMILY("RealPLKSR|PLKSR", plksr),
    FAMILY("MoSR", mosr),
    FAMILY("RTMoSR", rtmosr),
    FAMILY("RCAN", rcan),
    FAMILY("EDSR", edsr),
    FAMILY("MSRResNet", srresnet),
    FAMILY("ArtCNN", artcnn),
    FAMILY("Swift-SRGAN", swiftsrgan),
    FAMILY("HAT", hat),
    FAMILY("SwinIR", swinir),
};

#undef FAMILY

// Calls body(name) for each name.
template <class Body>
void for_names(Body body) {
    for (const Family& family : kFamilies)
        for (std::string_view rest = family.names; !rest.empty();) {
            const std::size_t end = std::min(rest.find('|'), rest.size());
            body(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
}

// "Compact, RRDB, ..."
std::string family_list() {
    std::string list;
    std::set<std::string_view> said;
    for_names([&](std::string_view name) {
        if (!said.insert(name).second) return;
        list += (list.empty() ? "" : ", ") + std::string(name);
    });
    return list;
}

Result<Network> recognise_tensors(const StateDict& weights, int likely_scale) {
    for (const Family& family : kFamilies)
        if (family.matches(weights)) return family.build(weights, likely_scale);
    if (weights.tensors.empty()) return Error{Errc::format, "the file holds no tensors"};
    const std::string name = refused_family(weights);
    if (!name.empty())
        return Error{Errc::unsupported,
                     "this seems to be " + name + "; supported are " + family_list()};
    const auto& [key, tensor] = *weights.tensors.begin();
    return Error{Errc::unsupported, "no network that is known: " + std::to_string(weights.tensors.size()) +
                                        " tensors, the first is '" + printable(key) + "' (" + shape_text(tensor.shape) +
                                        "); supported are " + family_list()};
}

// The network of a file with layers, checked against the layers.
Result<Network> recognise_layers(const ImportedGraph& imported, const StateDict& named) {
    TRY(Network network, recognise_tensors(named, imported.graph.scale()));
    if (!same_network(network.graph, imported.graph))
        return Error{Errc::unsupported, "the graph has the convolutions of a " + network.family +
                                            " network, but connects them in another way"};
    if (imported.resize != 1) {
        const double scale = network.scale * imported.resize;
        if (scale < 1 || scale != std::floor(scale))
            return Error{Errc::unsupported, "a network for scale " + std::to_string(scale)};
        network.variant += ", computed at x" + std::to_string(network.scale) + " and resized";
        network.scale = static_cast<int>(scale);
    }
    return network;
}

}  // namespace

bool runs_family(std::string_view name) {
    bool found = false;
    for_names([&](std::string_view one) { found = found || one == name; });
    return found;
}

Result<ImportedGraph> import_layers(const StateDict& file) {
    const auto import = file.format == WeightFormat::ncnn ? import_ncnn : import_onnx;
    auto rgb = import(file.layers, 3);
    if (rgb.ok()) return rgb;
    for (const int channels : {1, 4})
        if (auto other = import(file.layers, channels); other.ok()) return other;
    return rgb;
}

Result<StateDict> named_tensors(const StateDict& file) {
    if (file.layers.empty()) return file;
    TRY(const ImportedGraph imported, import_layers(file));
    TRY(StateDict named, name_tensors(imported.graph));
    named.format = file.format;
    named.metadata = file.metadata;
    return named;
}

int scale_in_name(std::string_view file_name) {
    const auto letter = [&](std::size_t i) { return i < file_name.size() && std::isalnum(static_cast<unsigned char>(file_name[i])); };
    const auto digit = [&](std::size_t i) { return i < file_name.size() && std::isdigit(static_cast<unsigned char>(file_name[i])); };
    int scale = 0;
    for (std::size_t i = 0; i < file_name.size(); ++i) {
        if (file_name[i] != 'x' && file_name[i] != 'X') continue;
        int found = 0;
        if (i > 0 && digit(i - 1) && (i < 2 || !letter(i - 2)) && !letter(i + 1)) found = file_name[i - 1] - '0';       // 3x
        else if (digit(i + 1) && !digit(i + 2) && (i == 0 || !letter(i - 1))) found = file_name[i + 1] - '0';  // x3
        if (found == 0 || found == scale) continue;
        if (scale != 0) return 0;
        scale = found;
    }
    return scale;
}

Result<Network> recognise(const StateDict& weights, int likely_scale) {
    if (weights.layers.empty()) return recognise_tensors(weights, likely_scale);
    TRY(const ImportedGraph imported, import_layers(weights));
    TRY(const StateDict named, name_tensors(imported.graph));
    return recognise_layers(imported, named);
}

}  // namespace enlarge
