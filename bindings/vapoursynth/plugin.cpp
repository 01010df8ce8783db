// SPDX-License-Identifier: Apache-2.0
// core.enlarge.Upscale() of VapourSynth, API 4.
#include <VapourSynth4.h>

#include <cmath>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "network.hpp"

namespace enlarge_vs {
namespace {

constexpr char kArguments[] =
    "clip:vnode;model:data:opt;scale:float:opt;width:int:opt;height:int:opt;denoise:float:opt;device:data:opt;"
    "precision:data:opt;tile:int:opt;num_streams:int:opt;threads:int:opt;";

// One call of Upscale(): a filter of the graph.
struct Filter {
    const VSAPI* vsapi;
    VSCore* core;
    VSNode* clip = nullptr;
    VSVideoInfo out{};
    enlarge_frame in_kind{};
    Network network;

    ~Filter() {
        if (clip) vsapi->freeNode(clip);
    }
};

void tell(void* user, int32_t level, const char*, const char* text) {
    const Filter& filter = *static_cast<const Filter*>(user);
    const int type = level >= ENLARGE_LOG_WARNING ? mtWarning : level >= ENLARGE_LOG_NOTICE ? mtInformation : mtDebug;
    filter.vsapi->logMessage(type, (std::string("enlarge: ") + text).c_str(), filter.core);
}

std::string enlarge_frame_of(Filter& filter, const VSFrame* source, VSFrame* made) {
    const VSAPI* const vsapi = filter.vsapi;
    const VSMap* const properties = vsapi->getFramePropertiesRO(source);
    int absent = 0;
    const int fields = vsapi->mapGetIntSaturated(properties, "_FieldBased", 0, &absent);
    if (!absent && fields != 0)  // 1, 2: which field is first
        return "the frame is interlaced (_FieldBased is " + std::to_string(fields) +
               "); expected progressive ones: deinterlace before";
    if (way_of(filter.out.format) == Way::pictures)
        return filter.network.enlarge(image_of(source, vsapi), image_of(made, vsapi));
    enlarge_frame in = filter.in_kind, out{}, settled{};
    put_planes(source, in, vsapi);
    for (int i = 0; i < filter.out.format.numPlanes; ++i) vsapi->getWritePtr(made, i);  // before they are read
    put_planes(made, out, vsapi);
    std::string wrong = filter.network.enlarge(in, colours_of(properties, vsapi), out, settled);
    if (wrong.empty()) settle(settled, vsapi->getFramePropertiesRW(made), vsapi);
    return wrong;
}

const VSFrame* VS_CC get_frame(int n, int reason, void* instance, void**, VSFrameContext* context, VSCore* core,
                               const VSAPI* vsapi) {
    Filter& filter = *static_cast<Filter*>(instance);
    if (reason == arInitial) vsapi->requestFrameFilter(n, filter.clip, context);
    if (reason != arAllFramesReady) return nullptr;
    const VSFrame* const source = vsapi->getFrameFilter(n, filter.clip, context);
    VSFrame* const made = vsapi->newVideoFrame(&filter.out.format, filter.out.width, filter.out.height, source, core);
    std::string wrong;
    try {
        wrong = enlarge_frame_of(filter, source, made);
    } catch (const std::exception& error) {
        wrong = error.what();
    }
    vsapi->freeFrame(source);
    if (wrong.empty()) return made;
    vsapi->freeFrame(made);
    vsapi->setFilterError(("enlarge.Upscale: " + wrong).c_str(), context);
    return nullptr;
}

void VS_CC free_filter(void* instance, VSCore*, const VSAPI*) { delete static_cast<Filter*>(instance); }

// Arguments by name; what is not given keeps the default.
class Arguments {
public:
    Arguments(const VSMap* map, const VSAPI* vsapi) : map_(map), vsapi_(vsapi) {}

    void get(const char* name, std::string& value) const {
        int error = 0;
        const char* const text = vsapi_->mapGetData(map_, name, 0, &error);
        if (!error) value = text;
    }
    void get(const char* name, double& value) const {
        int error = 0;
        const double number = vsapi_->mapGetFloat(map_, name, 0, &error);
        if (!error) value = number;
    }
    void get(const char* name, int& value) const {
        int error = 0;
        const int number = vsapi_->mapGetIntSaturated(map_, name, 0, &error);
        if (!error) value = number;
    }
    bool has(const char* name) const { return vsapi_->mapNumElements(map_, name) > 0; }

private:
    const VSMap* map_;
    const VSAPI* vsapi_;
};

std::string read(const Arguments& arguments, Settings& settings) {
    arguments.get("model", settings.model);
    arguments.get("scale", settings.scale);
    arguments.get("width", settings.width);
    arguments.get("height", settings.height);
    arguments.get("device", settings.device);
    arguments.get("tile", settings.tile);
    arguments.get("threads", settings.threads);
    arguments.get("num_streams", settings.streams);
    std::string precision = "auto";
    arguments.get("precision", precision);
    if (arguments.has("denoise")) {
        double share = 0;
        arguments.get("denoise", share);
        if (!(share >= 0 && share <= 1)) return "denoise is " + std::to_string(share) + "; expected 0 to 1";
        settings.denoise = share;
    }
    if (arguments.has("scale") && !(settings.scale > 0 && std::isfinite(settings.scale)))
        return "scale is " + std::to_string(settings.scale) + "; expected a number above 0";
    if (settings.streams < 1 || settings.streams > 64)
        return "num_streams is " + std::to_string(settings.streams) + "; expected 1 to 64";
    for (const auto& [name, value] : {std::pair("width", settings.width), std::pair("height", settings.height),
                                      std::pair("tile", settings.tile), std::pair("threads", settings.threads)})
        if (value < 0) return std::string(name) + " is " + std::to_string(value) + "; expected 0 or more";
    constexpr std::pair<const char*, int> kPrecisions[] = {{"auto", ENLARGE_PRECISION_AUTO},
                                                           {"fp32", ENLARGE_PRECISION_FP32},
                                                           {"fp16", ENLARGE_PRECISION_FP16},
                                                           {"int16", ENLARGE_PRECISION_INT16},
                                                           {"int8", ENLARGE_PRECISION_INT8}};
    for (const auto& [name, value] : kPrecisions)
        if (precision == name) return settings.precision = value, std::string();
    return "precision is " + precision + "; expected auto, fp32, fp16, int16 or int8";
}

// The node that `function` of VapourSynth's resize makes of `clip`; both are the caller's to free.
VSNode* resize(VSNode* clip, const std::pair<const char*, int64_t>* arguments, int count, std::string& wrong,
               VSCore* core, const VSAPI* vsapi) {
    VSMap* const in = vsapi->createMap();
    vsapi->mapSetNode(in, "clip", clip, maReplace);
    for (int i = 0; i < count; ++i) vsapi->mapSetInt(in, arguments[i].first, arguments[i].second, maReplace);
    VSMap* const out = vsapi->invoke(vsapi->getPluginByID("com.vapoursynth.resize", core), "Bicubic", in);
    VSNode* node = nullptr;
    if (const char* error = vsapi->mapGetError(out)) wrong = error;
    else node = vsapi->mapGetNode(out, "clip", 0, nullptr);
    vsapi->freeMap(in);
    vsapi->freeMap(out);
    return node;
}

// YUV in floating point: VapourSynth's own conversion to RGB, Upscale() of that, and back with the first frame's
// matrix and chroma location.
std::string convert_and_upscale(const VSMap* in, VSMap* out, VSNode* clip, VSCore* core, const VSAPI* vsapi) {
    const VSVideoFormat format = vsapi->getVideoInfo(clip)->format;
    char text[256] = "";
    const VSFrame* const first = vsapi->getFrame(0, clip, text, sizeof(text));
    if (!first) return text;
    Colours colours = colours_of(vsapi->getFramePropertiesRO(first), vsapi);
    vsapi->freeFrame(first);
    if (colours.matrix == 0)  // as enlarge guesses for video
        colours.matrix = colours.primaries == 9 ? 9 : vsapi->getVideoInfo(clip)->height <= 576 ? 6 : 1;
    const std::pair<const char*, int64_t> there[] = {
        {"format", format.bitsPerSample == 16 ? pfRGBH : pfRGBS}, {"matrix_in", colours.matrix}};
    std::string wrong;
    VSNode* const rgb = resize(clip, there, 2, wrong, core, vsapi);
    if (!rgb) return wrong;
    VSMap* const again = vsapi->createMap();
    vsapi->copyMap(in, again);
    vsapi->mapConsumeNode(again, "clip", rgb, maReplace);
    VSMap* const upscaled = vsapi->invoke(vsapi->getPluginByNamespace("enlarge", core), "Upscale", again);
    vsapi->freeMap(again);
    if (const char* error = vsapi->mapGetError(upscaled)) {
        wrong = error;
    } else {
        VSNode* const large = vsapi->mapGetNode(upscaled, "clip", 0, nullptr);
        const int location = colours.siting == ENLARGE_SITING_UNKNOWN ? 0 : colours.siting - ENLARGE_SITING_LEFT;
        const uint32_t id = vsapi->queryVideoFormatID(format.colorFamily, format.sampleType, format.bitsPerSample,
                                                      format.subSamplingW, format.subSamplingH, core);
        const std::pair<const char*, int64_t> back[] = {
            {"format", id}, {"matrix", colours.matrix}, {"chromaloc", location}};
        if (VSNode* const made = resize(large, back, 3, wrong, core, vsapi))
            vsapi->mapConsumeNode(out, "clip", made, maReplace);
        vsapi->freeNode(large);
    }
    vsapi->freeMap(upscaled);
    constexpr char kPrefix[] = "enlarge.Upscale: ";  // of the call in between
    if (wrong.rfind(kPrefix, 0) == 0) wrong.erase(0, sizeof(kPrefix) - 1);
    return wrong;
}

std::string create(const VSMap* in, VSMap* out, VSCore* core, const VSAPI* vsapi) {
    auto filter = std::make_unique<Filter>();
    filter->vsapi = vsapi;
    filter->core = core;
    filter->clip = vsapi->mapGetNode(in, "clip", 0, nullptr);
    const VSVideoInfo clip = *vsapi->getVideoInfo(filter->clip);
    if (std::string wrong = refuse(clip, vsapi); !wrong.empty()) return wrong;
    Settings settings;
    if (std::string wrong = read(Arguments(in, vsapi), settings); !wrong.empty()) return wrong;
    if (way_of(clip.format) == Way::converted) return convert_and_upscale(in, out, filter->clip, core, vsapi);
    if (std::string wrong = filter->network.open(settings, tell, filter.get()); !wrong.empty()) return wrong;

    filter->in_kind = frame_of(clip.format, clip.width, clip.height);
    enlarge_frame kind = filter->in_kind;
    if (clip.format.sampleType == stFloat) kind.bits = 16;  // for its size alone
    enlarge_frame made{};
    if (std::string wrong = filter->network.output(kind, made); !wrong.empty()) return wrong;
    filter->out = clip;
    filter->out.width = made.width;
    filter->out.height = made.height;
    const int chroma_width = 1 << clip.format.subSamplingW, chroma_height = 1 << clip.format.subSamplingH;
    if (made.width % chroma_width || made.height % chroma_height)  // VapourSynth has no such frames
        return "the result would be " + std::to_string(made.width) + "x" + std::to_string(made.height) +
               "; expected a width that divides by " + std::to_string(chroma_width) + " and a height that divides by " +
               std::to_string(chroma_height);
    const VSFilterDependency dependency{filter->clip, rpStrictSpatial};
    const VSVideoInfo info = filter->out;
    vsapi->createVideoFilter(out, "Upscale", &info, get_frame, free_filter, fmParallel, &dependency, 1,
                             filter.release(), core);
    return {};
}

void VS_CC upscale(const VSMap* in, VSMap* out, void*, VSCore* core, const VSAPI* vsapi) {
    std::string wrong;
    try {
        wrong = create(in, out, core, vsapi);
    } catch (const std::exception& error) {
        wrong = error.what();
    }
    if (!wrong.empty()) vsapi->mapSetError(out, ("enlarge.Upscale: " + wrong).c_str());
}

}  // namespace
}  // namespace enlarge_vs

VS_EXTERNAL_API(void) VapourSynthPluginInit2(VSPlugin* plugin, const VSPLUGINAPI* vspapi) {
    vspapi->configPlugin("org.enlarge.upscale", "enlarge", "Enlarges clips with Real-ESRGAN-family networks",
                         VS_MAKE_VERSION(ENLARGE_VERSION_MAJOR, ENLARGE_VERSION_MINOR), VAPOURSYNTH_API_VERSION, 0,
                         plugin);
    vspapi->registerFunction("Upscale", enlarge_vs::kArguments, "clip:vnode;", enlarge_vs::upscale, nullptr, plugin);
}
