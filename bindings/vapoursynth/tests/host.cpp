// SPDX-License-Identifier: Apache-2.0
#include "host.hpp"

#include <dlfcn.h>

#include <cmath>
#include <cstring>
#include <memory>

namespace host {
namespace {

struct Source {
    VSVideoInfo info{};
    Kind kind;
};

std::uint16_t half(float value) {
    const _Float16 small = static_cast<_Float16>(value);
    std::uint16_t bits = 0;
    std::memcpy(&bits, &small, sizeof(bits));
    return bits;
}

void put_sample(std::uint8_t* row, int x, double value, bool chroma, const VSVideoFormat& format) {
    if (format.sampleType == stFloat) {
        const auto number = static_cast<float>(chroma ? value - 0.5 : value);
        if (format.bytesPerSample == 4) std::memcpy(row + 4 * x, &number, 4);
        else if (const std::uint16_t bits = half(number); true) std::memcpy(row + 2 * x, &bits, 2);
        return;
    }
    const auto number = static_cast<std::uint16_t>(std::lround(value * ((1 << format.bitsPerSample) - 1)));
    if (format.bytesPerSample == 1) row[x] = static_cast<std::uint8_t>(number);
    else std::memcpy(row + 2 * x, &number, 2);
}

const VSFrame* VS_CC make(int n, int reason, void* instance, void**, VSFrameContext*, VSCore* core, const VSAPI* api) {
    if (reason != arInitial) return nullptr;
    const Source& source = *static_cast<Source*>(instance);
    const VSVideoFormat& format = source.info.format;
    VSFrame* const frame = api->newVideoFrame(&format, source.info.width, source.info.height, nullptr, core);
    for (int plane = 0; plane < format.numPlanes; ++plane) {
        std::uint8_t* const begin = api->getWritePtr(frame, plane);
        for (int y = 0; y < api->getFrameHeight(frame, plane); ++y)
            for (int x = 0; x < api->getFrameWidth(frame, plane); ++x)
                put_sample(begin + y * api->getStride(frame, plane), x, pattern(n, plane, x, y),
                           plane > 0 && format.colorFamily == cfYUV, format);
    }
    for (const auto& [name, value] : source.kind.properties)
        api->mapSetInt(api->getFramePropertiesRW(frame), name.c_str(), value, maReplace);
    return frame;
}

void VS_CC drop(void* instance, VSCore*, const VSAPI*) { delete static_cast<Source*>(instance); }

}  // namespace

double pattern(int n, int plane, int x, int y) {
    const double wave = 0.5 + 0.3 * std::sin(0.35 * x + 0.7 * plane + 0.4 * n) * std::cos(0.27 * y - 0.3 * n);
    return wave + (((x * 7 + y * 13 + n * 3 + plane) % 11) - 5) * 0.02;
}

Host::Host() {
    // Local, as Python loads it: it exports the zimg inside it, whose rounding would become that of libenlarge.
    void* const library = dlopen(VAPOURSYNTH_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    const auto entry = library ? reinterpret_cast<VSGetVapourSynthAPI>(dlsym(library, "getVapourSynthAPI")) : nullptr;
    if (!entry || !(api = entry(VAPOURSYNTH_API_VERSION))) {
        missing = std::string("VapourSynth is not there: ") + (library ? "no API 4" : dlerror());
        return;
    }
    core = api->createCore(0);
    VSMap* const in = api->createMap();
    api->mapSetData(in, "path", PLUGIN, -1, dtUtf8, maReplace);
    VSMap* const out = api->invoke(api->getPluginByNamespace("std", core), "LoadPlugin", in);
    if (const char* error = api->mapGetError(out)) missing = error;
    api->freeMap(in);
    api->freeMap(out);
}

Host::~Host() {
    if (core) api->freeCore(core);
}

VSNode* Host::source(const Kind& kind) {
    auto source = std::make_unique<Source>();
    source->kind = kind;
    api->getVideoFormatByID(&source->info.format, static_cast<std::uint32_t>(kind.id), core);
    source->info.width = kind.width;
    source->info.height = kind.height;
    source->info.fpsNum = 25;
    source->info.fpsDen = 1;
    source->info.numFrames = kind.frames;
    const VSVideoInfo info = source->info;
    return api->createVideoFilter2("Pattern", &info, make, drop, fmParallel, nullptr, 0, source.release(), core);
}

VSNode* Host::upscale(const Kind& kind, const std::vector<Argument>& arguments, std::string& error) {
    VSMap* const in = api->createMap();
    api->mapConsumeNode(in, "clip", source(kind), maReplace);
    for (const Argument& one : arguments) {
        const bool whole = one.number == std::floor(one.number) && one.name != "scale" && one.name != "denoise";
        if (!one.text.empty()) api->mapSetData(in, one.name.c_str(), one.text.c_str(), -1, dtUtf8, maReplace);
        else if (whole) api->mapSetInt(in, one.name.c_str(), static_cast<std::int64_t>(one.number), maReplace);
        else api->mapSetFloat(in, one.name.c_str(), one.number, maReplace);
    }
    VSMap* const out = api->invoke(api->getPluginByNamespace("enlarge", core), "Upscale", in);
    VSNode* node = nullptr;
    if (const char* said = api->mapGetError(out)) error = said;
    else node = api->mapGetNode(out, "clip", 0, nullptr);
    api->freeMap(in);
    api->freeMap(out);
    return node;
}

Bytes Host::planes(const VSFrame* frame) const {
    Bytes bytes;
    const VSVideoFormat& format = *api->getVideoFrameFormat(frame);
    for (int plane = 0; plane < format.numPlanes; ++plane)
        for (int y = 0; y < api->getFrameHeight(frame, plane); ++y) {
            const std::uint8_t* const row = api->getReadPtr(frame, plane) + y * api->getStride(frame, plane);
            bytes.insert(bytes.end(), row, row + api->getFrameWidth(frame, plane) * format.bytesPerSample);
        }
    return bytes;
}

Bytes Host::frame(VSNode* node, int n, std::string& error) {
    char text[512] = "";
    const VSFrame* const frame = api->getFrame(n, node, text, sizeof(text));
    if (!frame) {
        error = text;
        return {};
    }
    Bytes bytes = planes(frame);
    api->freeFrame(frame);
    return bytes;
}

}  // namespace host
