// SPDX-License-Identifier: Apache-2.0
#include "media/gpu.hpp"

#include <cstring>

#include "media/ffmpeg.hpp"

// FFmpeg's header wants two of cuda.h's names only: pointers to what nobody looks into.
#ifndef CUDA_VERSION
#define CUDA_VERSION 0
using CUcontext = struct CUctx_st*;
using CUstream = struct CUstream_st*;
#endif
extern "C" {
#include <libavutil/hwcontext_cuda.h>
}

namespace enlarge::media {
namespace {

AVPixelFormat samples_on_gpu(int bits) { return bits == 8 ? AV_PIX_FMT_NV12 : AV_PIX_FMT_P010LE; }

// Everything of a frame but its pixels.
void describe_as(AVFrame& frame, const VideoFormat& format) {
    frame.color_primaries = static_cast<AVColorPrimaries>(format.samples.tags.primaries);
    frame.color_trc = static_cast<AVColorTransferCharacteristic>(format.samples.tags.transfer);
    frame.colorspace = static_cast<AVColorSpace>(format.samples.tags.matrix);
    frame.color_range = static_cast<AVColorRange>(format.samples.tags.range);
    frame.chroma_location = static_cast<AVChromaLocation>(format.samples.tags.siting);
    frame.sample_aspect_ratio = av(format.sar);
}

Frame with_times_of(Av<AVFrame> raw, const Frame& frame) {
    Frame out{std::shared_ptr<AVFrame>(raw.release(), FreeAv{})};
    out.pts = frame.pts;
    out.duration = frame.duration;
    out.time_base = frame.time_base;
    out.damaged = frame.damaged;
    return out;
}

// FFmpeg copies floor(height / 2) rows of chroma to and from GPUs: heights are made even for it.
int even(int height) { return height + height % 2; }

// Planar chroma interleaved, samples moved to the high end: what GPUs hold.
template <class Sample>
void interleave(const AVFrame& from, AVFrame& to, bool together, int shift) {
    const auto row = [](const AVFrame& f, int plane, int y) { return reinterpret_cast<Sample*>(f.data[plane] + std::ptrdiff_t{y} * f.linesize[plane]); };
    for (int y = 0; y < from.height; ++y)
        for (int x = 0; x < from.width; ++x) row(to, 0, y)[x] = static_cast<Sample>(row(from, 0, y)[x] << shift);
    for (int y = 0; y < (from.height + 1) / 2; ++y)
        for (int x = 0; x < (from.width + 1) / 2; ++x) {
            row(to, 1, y)[2 * x] = static_cast<Sample>(row(from, 1, y)[together ? 2 * x : x] << shift);
            row(to, 1, y)[2 * x + 1] = static_cast<Sample>((together ? row(from, 1, y)[2 * x + 1] : row(from, 2, y)[x]) << shift);
        }
}

}  // namespace

void Gpu::Free::operator()(AVBufferRef* reference) const { av_buffer_unref(&reference); }

Result<std::shared_ptr<Gpu>> Gpu::open(const NativeHandle& context) {
    if (context.kind != NativeHandle::Kind::cuda_context)
        return Error{Errc::device, "FFmpeg shares the contexts of CUDA only"};
    TRY(start_ffmpeg());
    forget_av_log();
    std::shared_ptr<Gpu> gpu(new Gpu);
    // Not av_hwdevice_ctx_create(): it wants the primary context with flags of its own choosing.
    gpu->device_.reset(av_hwdevice_ctx_alloc(AV_HWDEVICE_TYPE_CUDA));
    if (!gpu->device_) return Error{Errc::device, "FFmpeg's libraries here know no CUDA"};
    auto* device = reinterpret_cast<AVHWDeviceContext*>(gpu->device_->data);
    auto* cuda = static_cast<AVCUDADeviceContext*>(device->hwctx);
    cuda->cuda_ctx = static_cast<CUcontext>(context.pointer);
    cuda->stream = nullptr;
    if (const int rc = av_hwdevice_ctx_init(gpu->device_.get()); rc < 0) return av_error(rc, "FFmpeg cannot use the GPU", Errc::device);
    return gpu;
}

bool on_gpu(const Frame& frame) { return frame && frame.av()->format == AV_PIX_FMT_CUDA; }

GpuPlanes gpu_planes(const Frame& frame) {
    GpuPlanes planes;
    for (std::size_t i = 0; i < 2; ++i) {
        planes.address[i] = reinterpret_cast<std::uint64_t>(frame.av()->data[i]);
        planes.pitch_bytes[i] = frame.av()->linesize[i];
    }
    return planes;
}

Result<GpuFramePool> GpuFramePool::create(const Gpu& gpu, int bits, Size size) {
    if (bits != 8 && bits != 10) return Error{Errc::unsupported, "frames of " + std::to_string(bits) + " bits on the GPU"};
    GpuFramePool pool;
    pool.size_ = size;
    pool.frames_.reset(av_hwframe_ctx_alloc(gpu.av()));
    if (!pool.frames_) throw std::bad_alloc();
    auto* frames = reinterpret_cast<AVHWFramesContext*>(pool.frames_->data);
    frames->format = AV_PIX_FMT_CUDA;
    frames->sw_format = samples_on_gpu(bits);
    frames->width = size.width;
    frames->height = even(size.height);
    if (const int rc = av_hwframe_ctx_init(pool.frames_.get()); rc < 0) return av_error(rc, "frames on the GPU", Errc::device);
    return pool;
}

Result<Frame> GpuFramePool::get(const VideoFormat& format, const Frame* properties) {
    ENSURE(format.size == size_);
    Av<AVFrame> raw = new_frame();
    if (const int rc = av_hwframe_get_buffer(frames_.get(), raw.get(), 0); rc < 0) return av_error(rc, "a frame on the GPU", Errc::memory);
    raw->height = size_.height;
    describe_as(*raw, format);
    Frame made = with_times_of(std::move(raw), properties ? *properties : Frame{});
    // Captions and what else belongs to the time.
    return properties ? with_properties(made, *properties) : made;
}

Result<void> upload(const Frame& frame, Frame& there) {
    const AVFrame& from = *frame.av();
    const FrameFormat& samples = frame.format().samples;
    if (samples.family != FrameFamily::yuv || samples.sub_x != 1 || samples.sub_y != 1 || samples.alpha || samples.bits != there.format().samples.bits)
        return Error{Errc::unsupported, "only 4:2:0 of 8 or 10 bits goes to the GPU"};
    Av<AVFrame> packed;
    if (!samples.semi_planar || from.height % 2) {
        packed = new_frame();
        packed->format = samples_on_gpu(samples.bits);
        packed->width = from.width;
        packed->height = even(from.height);
        if (av_frame_get_buffer(packed.get(), 0) < 0) throw std::bad_alloc();
        if (samples.bits == 8) interleave<std::uint8_t>(from, *packed, samples.semi_planar, 0);
        else interleave<std::uint16_t>(from, *packed, samples.semi_planar, samples.high_bits ? 0 : 6);
    }
    if (const int rc = av_hwframe_transfer_data(there.av(), packed ? packed.get() : &from, 0); rc < 0)
        return av_error(rc, "copying a frame to the GPU", Errc::device);
    return {};
}

Result<Frame> download(const Frame& frame) {
    Av<AVFrame> raw = new_frame(), there = new_frame();
    if (av_frame_ref(there.get(), frame.av()) < 0) throw std::bad_alloc();
    there->height = even(there->height);
    if (const int rc = av_hwframe_transfer_data(raw.get(), there.get(), 0); rc < 0) return av_error(rc, "copying a frame from the GPU", Errc::device);
    raw->height = frame.av()->height;
    if (const int rc = av_frame_copy_props(raw.get(), frame.av()); rc < 0) return av_error(rc, "frame", Errc::memory);
    return with_times_of(std::move(raw), frame);
}

std::string processor_encoder(const std::string& codec) {
    if (codec.size() < 6 || codec.substr(codec.size() - 6) != "_nvenc") return {};
    return codec == "h264_nvenc" ? "libx264" : codec == "av1_nvenc" ? "libsvtav1" : "libx265";
}

Result<void> probe_gpu_encoder(const std::string& codec, const Gpu* gpu, int bits, Size size) {
    TRY(start_ffmpeg());
    forget_av_log();
    const AVCodec* encoder = avcodec_find_encoder_by_name(codec.c_str());
    if (!encoder) return Error{Errc::unsupported, "FFmpeg's libraries here do not know it"};
    Av<AVCodecContext> context(avcodec_alloc_context3(encoder));
    if (!context) throw std::bad_alloc();
    context->width = size.width;
    context->height = size.height;
    context->pix_fmt = samples_on_gpu(bits);
    context->time_base = {1, 25};
    Frame frame;  // outlives the encoder, as its frames do
    if (gpu) {
        auto pool = GpuFramePool::create(*gpu, bits, size);
        if (!pool) return std::move(pool).error();
        TRY(frame, pool->get({FrameFormat{}, size, {0, 1}}, nullptr));
        context->pix_fmt = AV_PIX_FMT_CUDA;
        context->hw_frames_ctx = av_buffer_ref(frame.av()->hw_frames_ctx);
    }
    if (const int rc = avcodec_open2(context.get(), encoder, nullptr); rc < 0) {
        Error error = av_error(rc, "it does not open", Errc::unsupported);
        error.code = Errc::unsupported;
        return error;
    }
    return {};
}

}  // namespace enlarge::media
