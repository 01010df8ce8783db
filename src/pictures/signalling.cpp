// SPDX-License-Identifier: Apache-2.0
#include "pictures/signalling.hpp"

#include <cmath>
#include <cstring>

namespace enlarge::pictures {
namespace {

// x and y of white, red, green and blue.
using Chroma = std::array<double, 8>;
struct Primaries {
    std::uint8_t code;
    const char* name;
    Chroma chroma;
};
constexpr double kD65x = 0.3127, kD65y = 0.3290;
constexpr Primaries kPrimaries[] = {
    {1, "BT.709", {kD65x, kD65y, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06}},
    {4, "BT.470 M", {0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08}},
    {5, "BT.601 (625)", {kD65x, kD65y, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06}},
    {6, "BT.601 (525)", {kD65x, kD65y, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070}},
    {7, "SMPTE 240", {kD65x, kD65y, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070}},
    {8, "film", {0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049}},
    {9, "BT.2020", {kD65x, kD65y, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046}},
    {11, "DCI-P3", {0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060}},
    {12, "Display P3", {kD65x, kD65y, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060}},
    {22, "EBU 3213", {kD65x, kD65y, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077}},
};

// Light of a number: x^gamma; with `parts`: (a x + b)^gamma from d on, c x below.
struct Curve {
    std::uint8_t code;
    const char* name;
    double gamma, a = 1, b = 0, c = 0, d = 0;
    bool parts = false;
};
constexpr Curve kSrgb = {13, "sRGB", 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, true};
constexpr Curve kCurves[] = {
    {1, "BT.709 curve", 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081, true},
    {4, "gamma 2.2", 2.2},
    {5, "gamma 2.8", 2.8},
    {6, "BT.601 curve", 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081, true},
    {7, "SMPTE 240 curve", 1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4.0, 0.0913, true},
    {8, "linear", 1.0},
    kSrgb,
    {14, "BT.2020 curve", 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081, true},
    {15, "BT.2020 curve", 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081, true},
};

const Primaries* primaries_of(std::uint8_t code) {
    for (const Primaries& known : kPrimaries)
        if (known.code == code) return &known;
    return nullptr;
}
const Curve* curve_of(std::uint8_t code) {
    for (const Curve& known : kCurves)
        if (known.code == code) return &known;
    return nullptr;
}

bool near_srgb(const std::array<std::uint32_t, 8>& chroma) {
    for (std::size_t i = 0; i < 8; ++i)
        if (std::abs(chroma[i] / 1e5 - kPrimaries[0].chroma[i]) > 0.002) return false;
    return true;
}

using Matrix = std::array<std::array<double, 3>, 3>;

Matrix times(const Matrix& a, const Matrix& b) {
    Matrix out{};
    for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t j = 0; j < 3; ++j)
            for (std::size_t k = 0; k < 3; ++k) out[i][j] += a[i][k] * b[k][j];
    return out;
}

std::optional<Matrix> inverse(const Matrix& m) {
    const auto minor = [&](std::size_t r, std::size_t c) {
        const std::size_t r1 = (r + 1) % 3, r2 = (r + 2) % 3, c1 = (c + 1) % 3, c2 = (c + 2) % 3;
        return m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1];
    };
    const double determinant = m[0][0] * minor(0, 0) + m[0][1] * minor(0, 1) + m[0][2] * minor(0, 2);
    if (!(std::abs(determinant) > 1e-9)) return std::nullopt;
    Matrix out{};
    for (std::size_t r = 0; r < 3; ++r)
        for (std::size_t c = 0; c < 3; ++c) out[c][r] = minor(r, c) / determinant;
    return out;
}

constexpr double kD50[3] = {0.9642, 1.0, 0.8249};

// From a white to D50, by Bradford.
std::optional<Matrix> adaptation(const double white[3]) {
    constexpr Matrix bradford = {{{0.8951, 0.2664, -0.1614}, {-0.7502, 1.7135, 0.0367}, {0.0389, -0.0685, 1.0296}}};
    Matrix scale{};
    for (std::size_t i = 0; i < 3; ++i) {
        double from = 0, to = 0;
        for (std::size_t j = 0; j < 3; ++j) from += bradford[i][j] * white[j], to += bradford[i][j] * kD50[j];
        if (!(from > 1e-6)) return std::nullopt;
        scale[i][i] = to / from;
    }
    return times(*inverse(bradford), times(scale, bradford));
}

class Profile {
public:
    static void number(std::string& to, std::uint32_t value, int bytes = 4) {
        for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) to += static_cast<char>(value >> shift & 0xff);
    }
    static void fixed(std::string& to, double value) {
        number(to, static_cast<std::uint32_t>(static_cast<std::int32_t>(std::lround(value * 65536))));
    }
    void tag(const char* name, const std::string& content) { tags_.emplace_back(name, content); }
    void text(const char* name, const std::string& ascii) {
        std::string content(
            "mluc\0\0\0\0\0\0\0\1\0\0\0\x0c"
            "enUS",
            20);
        number(content, static_cast<std::uint32_t>(2 * ascii.size())), number(content, 28);
        for (const char c : ascii) content += '\0', content += c;
        tag(name, content);
    }
    void xyz(const char* name, double x, double y, double z) {
        std::string content("XYZ \0\0\0\0", 8);
        fixed(content, x), fixed(content, y), fixed(content, z);
        tag(name, content);
    }
    [[nodiscard]] std::vector<std::byte> finish(bool grey) const {
        std::string head, table, body;
        number(table, static_cast<std::uint32_t>(tags_.size()));
        const std::size_t start = 128 + 4 + 12 * tags_.size();
        for (const auto& [name, content] : tags_) {
            table += name;
            number(table, static_cast<std::uint32_t>(start + body.size())),
                number(table, static_cast<std::uint32_t>(content.size()));
            body += content;
            body.resize((body.size() + 3) / 4 * 4);
        }
        number(head, static_cast<std::uint32_t>(start + body.size()));
        number(head, 0), number(head, 0x04300000);
        head += grey ? "mntrGRAYXYZ " : "mntrRGB XYZ ";
        for (const std::uint32_t part : {2026U, 1U, 1U, 0U, 0U, 0U})
            number(head, part, 2);  // a date there has to be; always the same
        head += "acsp";
        head.resize(68);
        for (const double part : kD50) fixed(head, part);
        head.resize(128);
        const std::string all = head + table + body;
        std::vector<std::byte> bytes(all.size());
        std::memcpy(bytes.data(), all.data(), all.size());
        return bytes;
    }

private:
    std::vector<std::pair<std::string, std::string>> tags_;
};

}  // namespace

bool Signal::usual() const {
    if (codes) {
        const std::uint8_t t = codes->transfer, p = codes->primaries;
        return (p == 1 || p == 2) && (t == 1 || t == 2 || t == 6 || t == 13 || t == 14 || t == 15);
    }
    if (srgb) return true;
    return (!gamma || *gamma == 0 || (*gamma > 44900 && *gamma < 46000)) && (!chroma || near_srgb(*chroma));
}

bool Signal::high_dynamic_range() const { return codes && (codes->transfer == 16 || codes->transfer == 18); }

std::string Signal::name() const {
    if (codes) {
        const Primaries* primaries = primaries_of(codes->primaries);
        const Curve* curve = curve_of(codes->transfer);
        const std::string first = primaries ? primaries->name : "primaries " + std::to_string(codes->primaries);
        if (codes->transfer == 2) return first;
        return first + ", " +
               (codes->transfer == 16   ? "PQ"
                : codes->transfer == 18 ? "HLG"
                : curve                 ? curve->name
                                        : "transfer " + std::to_string(codes->transfer));
    }
    if (usual()) return "sRGB";
    std::string text;
    if (chroma && !near_srgb(*chroma)) text = "primaries of its own";
    if (gamma && *gamma) {
        const auto hundredths = static_cast<int>(std::lround(1e7 / *gamma));
        text += (text.empty() ? "gamma " : ", gamma ") + std::to_string(hundredths / 100) + "." +
                std::to_string(hundredths / 10 % 10) + std::to_string(hundredths % 10);
    }
    return text;
}

std::vector<std::byte> icc_of(const Signal& signal, bool grey) {
    Chroma chroma = kPrimaries[0].chroma;
    Curve curve = kSrgb;
    if (signal.codes) {
        const Primaries* primaries = primaries_of(signal.codes->primaries == 2 ? 1 : signal.codes->primaries);
        const Curve* known = curve_of(signal.codes->transfer == 2 ? 13 : signal.codes->transfer);
        if (!primaries || !known) return {};
        chroma = primaries->chroma, curve = *known;
    } else if (!signal.srgb) {
        if (signal.chroma)
            for (std::size_t i = 0; i < 8; ++i) chroma[i] = (*signal.chroma)[i] / 1e5;
        if (signal.gamma && *signal.gamma >= 10'000 && *signal.gamma <= 1'000'000) curve = {0, "", 1e5 / *signal.gamma};
    }
    Profile profile;
    profile.text("desc", signal.name());
    profile.text("cprt", "No copyright");
    profile.xyz("wtpt", kD50[0], kD50[1], kD50[2]);
    std::string para("para\0\0\0\0\0\0\0\0", 12);
    para[9] = curve.parts ? 3 : 0;
    Profile::fixed(para, curve.gamma);
    if (curve.parts)
        for (const double part : {curve.a, curve.b, curve.c, curve.d}) Profile::fixed(para, part);
    if (grey) {
        profile.tag("kTRC", para);
        return profile.finish(true);
    }
    for (std::size_t i = 1; i < 8; i += 2)
        if (!(chroma[i] > 0.001 && chroma[i] < 1 && chroma[i - 1] >= 0 && chroma[i - 1] < 1)) return {};
    const double white[3] = {chroma[0] / chroma[1], 1, (1 - chroma[0] - chroma[1]) / chroma[1]};
    Matrix columns{};
    for (std::size_t c = 0; c < 3; ++c) {
        const double x = chroma[2 + 2 * c], y = chroma[3 + 2 * c];
        columns[0][c] = x / y, columns[1][c] = 1, columns[2][c] = (1 - x - y) / y;
    }
    const auto solved = inverse(columns), adapt = adaptation(white);
    if (!solved || !adapt) return {};
    for (std::size_t c = 0; c < 3; ++c) {
        const double strength = (*solved)[c][0] * white[0] + (*solved)[c][1] * white[1] + (*solved)[c][2] * white[2];
        for (auto& row : columns) row[c] *= strength;
    }
    columns = times(*adapt, columns);
    std::string chad("sf32\0\0\0\0", 8);
    for (const auto& row : *adapt)
        for (const double part : row) Profile::fixed(chad, part);
    profile.tag("chad", chad);
    for (std::size_t c = 0; c < 3; ++c) {
        constexpr const char* names[] = {"rXYZ", "gXYZ", "bXYZ"};
        profile.xyz(names[c], columns[0][c], columns[1][c], columns[2][c]);
    }
    for (const char* name : {"rTRC", "gTRC", "bTRC"}) profile.tag(name, para);
    return profile.finish(false);
}

}  // namespace enlarge::pictures
