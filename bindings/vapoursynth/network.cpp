// SPDX-License-Identifier: Apache-2.0
#include "network.hpp"

#include <utility>

namespace enlarge_vs {
namespace {

std::string failure(const Handle<enlarge_context>& context) { return enlarge_error(context.get()); }

}  // namespace

std::string Network::open(const Settings& settings, enlarge_log log, void* user) {
    if (!context_) return "not enough memory";
    settings_ = settings;
    not_made_ = settings.streams;
    enlarge_host::OpenEngine opened;
    if (enlarge_host::open_engine(context_.get(), settings, log, user, opened) != ENLARGE_OK) return failure(context_);
    engine_ = std::move(opened.engine);
    return {};
}

std::string Network::output(const enlarge_frame& in, enlarge_frame& out) {
    const std::lock_guard lock(context_lock_);
    out = sized<enlarge_frame>();
    const auto status = enlarge_output_frame(context_.get(), engine_.get(), &in, settings_.scale, settings_.width,
                                             settings_.height, 0, &out);
    return status == ENLARGE_OK ? std::string() : failure(context_);
}

std::unique_ptr<Worker> Network::take() {
    std::unique_lock lock(lock_);
    free_one_.wait(lock, [this] { return !idle_.empty() || not_made_ > 0; });
    if (idle_.empty()) {
        --not_made_;
        return std::make_unique<Worker>();
    }
    std::unique_ptr<Worker> worker = std::move(idle_.back());
    idle_.pop_back();
    return worker;
}

void Network::give_back(std::unique_ptr<Worker> worker) {
    const std::lock_guard lock(lock_);
    idle_.push_back(std::move(worker));
    free_one_.notify_one();
}

// A stream for frames of these colours; another one where they change in the middle of a clip.
std::string Network::begin(Worker& worker, const enlarge_frame& in, const Colours& colours) {
    if (worker.stream && worker.colours == colours) return {};
    enlarge_frame kind = in;
    put(colours, kind);
    if (std::string wrong = output(kind, worker.made); !wrong.empty()) return wrong;
    enlarge_stream* stream = nullptr;
    worker.stream.reset();
    if (enlarge_stream_create(worker.context.get(), engine_.get(), &kind, &worker.made, nullptr, &stream) != ENLARGE_OK)
        return failure(worker.context);
    worker.stream.reset(stream);
    worker.colours = colours;
    return {};
}

std::string Network::enlarge(const enlarge_frame& in, const Colours& colours, enlarge_frame& out,
                             enlarge_frame& settled) {
    std::unique_ptr<Worker> worker = take();
    std::string wrong = begin(*worker, in, colours);
    if (wrong.empty()) {
        enlarge_context* const ctx = worker->context.get();
        enlarge_frame from = in;
        put(colours, from);
        settled = worker->made;
        for (int i = 0; i < 4; ++i) {
            settled.plane[i] = out.plane[i];
            settled.stride_bytes[i] = out.stride_bytes[i];
        }
        auto done = sized<enlarge_frame_done>();
        if (enlarge_stream_submit(ctx, worker->stream.get(), &from, &settled, nullptr) != ENLARGE_OK ||
            enlarge_stream_next(ctx, worker->stream.get(), -1, &done) != ENLARGE_OK)
            wrong = failure(worker->context);
        if (!wrong.empty()) worker->stream.reset();  // whatever it has still in work
    }
    give_back(std::move(worker));
    return wrong;
}

std::string Network::enlarge(const enlarge_image& in, const enlarge_image& out) {
    std::unique_ptr<Worker> worker = take();
    std::string wrong;
    enlarge_context* const ctx = worker->context.get();
    if (!worker->session) {
        enlarge_session* session = nullptr;
        if (enlarge_session_create(ctx, engine_.get(), &session) != ENLARGE_OK) wrong = failure(worker->context);
        worker->session.reset(session);
    }
    if (wrong.empty() &&
        enlarge_session_upscale(ctx, worker->session.get(), &in, &out, nullptr, nullptr) != ENLARGE_OK)
        wrong = failure(worker->context);
    give_back(std::move(worker));
    return wrong;
}

}  // namespace enlarge_vs
