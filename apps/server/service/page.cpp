// SPDX-License-Identifier: Apache-2.0
// The page and what it shows that browsers cannot make themselves.
#include "page/page.hpp"

#include <sys/stat.h>

#include <cstdio>
#include <fstream>

#include "enlarge/choice.hpp"
#include "service/files.hpp"
#include "service/service.hpp"
#include "work/kinds.hpp"
#include "work/options.hpp"

namespace serve {
namespace {

// FNV-1a: tells one build's file from another's.
std::string etag_of(std::string_view bytes) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
    char text[24];
    std::snprintf(text, sizeof text, "\"%016llx\"", static_cast<unsigned long long>(hash));
    return text;
}

constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self' blob:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

// What every browser shows.
bool is_shown(const std::string& extension) {
    for (const char* one : {"jpg", "png", "webp", "gif", "avif", "bmp", "apng", "mp4", "webm"})
        if (extension == one) return true;
    return false;
}

bool is_there(const std::string& path) {
    struct stat info = {};
    return ::stat(path.c_str(), &info) == 0;
}

}  // namespace

Answer Service::page(Request& request) {
    const std::string name = request.path == "/"               ? "index.html"
                             : request.path == "/openapi.json" ? "openapi.json"
                                                               : request.part("name");
    for (const PageFile& file : page_files()) {
        if (file.name != name) continue;
        const std::string etag = etag_of(file.bytes);
        Response response;
        response.with("ETag", etag).with("Cache-Control", "no-cache").with("Content-Security-Policy", kPolicy);
        if (lists_etag(request.header("if-none-match"), etag)) return response.status = 304, response;
        response.fixed = file.bytes;
        return response.with("Content-Type", media_type_of(name.substr(name.rfind('.') + 1)));
    }
    return error_response(404, "not_found", "there is nothing at " + safe_name(request.path));
}

Answer Service::convert(const Request& request, Work work, const std::string& target, const std::string& seed,
                        const std::string& name) {
    const std::string extension = target.substr(target.rfind('.') + 1);
    const auto respond = [request, target, seed, name, extension] {
        return file_response(request, target, seed, media_type_of(extension), name);
    };
    if (is_there(target)) return respond();
    auto task = std::make_shared<Task>();
    work.id = next_id_++;
    work.output = temporary("view");
    work.name = name;
    work.max_pixels = options_.pixels;
    work.memory_bytes = options_.memory_bytes;
    work.seconds = options_.picture_s;
    task->work = std::move(work);
    const auto later = std::make_shared<Later>();
    later->gone = [this, id = task->work.id] { views_->cancel(id); };
    task->started = [] {};
    task->said = [later, respond, target, output = task->work.output](const Said& said) {
        if (said.event == Said::Event::failed)
            return later->fulfil(error_response(enlarge::Error{said.code, said.text}));
        if (said.event != Said::Event::done) return;
        const std::string made = output + "." + said.extension;
        if (::rename(made.c_str(), target.c_str()) != 0) ::remove(made.c_str());  // the job is gone
        later->fulfil(respond());
    };
    if (views_->submit(task)) return later;
    return error_response(429, "full",
                          "too many pictures are being made ready for browsers; try again in a few seconds");
}

Answer Service::job_view(Request& request) {
    const auto job = jobs_->find(request.part("id"));
    const std::string side = request.part("side");
    const bool after = side == "output";
    if (!job || (!after && side != "input")) return error_response(404, "not_found", "there is no such picture");
    if (after && job->state != JobState::done) return error_response(409, "not_done", "the job is not done yet");
    const std::string extension = after ? job->output_extension : job->extension;
    if (is_shown(extension)) return after ? job_output(request) : job_input(request);
    const bool film = job->moving;
    Work work{.input = after ? jobs_->output_path(*job) : jobs_->input_path(*job), .moving = film};
    if (film) {
        const auto kind = kind_of_file(work.input);
        if (kind) work.demuxer = kind->demuxer;
        work.options = {
            {"model", "swift-x2"}, {"strength", "0"}, {"scale", "1"}, {"format", "mp4"}, {"video-codec", "libx264"}};
    } else {
        work.options = {{"model", "swift-x2"}, {"strength", "0"}, {"scale", "1"}, {"format", "png"}};
    }
    return convert(request, work, jobs_->folder_of(*job) + "/view-" + side + (film ? ".mp4" : ".png"),
                   std::to_string(job->number) + "v" + side, job->name);
}

Answer Service::job_thumb(Request& request) {
    const auto job = jobs_->find(request.part("id"));
    if (!job) return error_response(404, "not_found", "there is no such job");
    Work work{.input = jobs_->input_path(*job),
              .options = {{"model", "swift-x2"}, {"strength", "0"}, {"width", "160"}},
              .moving = job->moving,
              .demuxer = job->demuxer};
    if (job->moving)
        work.options.insert(work.options.end(), {{"to", "0.1"}, {"format", "apng"}});
    else
        work.options.insert(work.options.end(),
                            {{"format", "jpg"}, {"background", "white"}, {"provenance", "0"}, {"allow-damaged", "1"}});
    return convert(request, work, jobs_->folder_of(*job) + (job->moving ? "/thumb.apng" : "/thumb.jpg"),
                   std::to_string(job->number) + "t", job->name);
}

Answer Service::sample(const Request& request, const std::string& picture, const std::string& key,
                       const std::string& value) {
    const std::string folder = options_.data + "/samples", source = folder + "/" + picture;
    if (!is_there(source))
        for (const PageFile& file : page_files())
            if (file.name == picture) std::ofstream(source, std::ios::binary) << file.bytes;
    const Work work{.input = source, .options = {{key, value}, {"format", "jpg"}, {"quality", "88"}}};
    // Another version may have other networks.
    const std::string made = folder + "/" + enlarge::version() + "-" + key + "-" + percent_encoded(value) + ".jpg";
    return convert(request, work, made, "sample-" + percent_encoded(value), value);
}

// What a network makes of the sample: computed here, once.
Answer Service::model_sample(Request& request) {
    const auto name = usable_model(request.part("name"));
    if (!name) return error_response(name.error());
    return sample(request, "sample.jpg", "model", *name);
}

// What is made of a sample of that kind.
Answer Service::kind_sample(Request& request) {
    const auto kind = enlarge::parse_kind(request.part("kind"));
    if (!kind) return error_response(404, "not_found", kind.error().message);
    const std::string name = enlarge::kind_name(*kind);
    return sample(request, name == "drawing" ? "drawing.jpg" : "sample.jpg", "for", name);
}

}  // namespace serve
