// SPDX-License-Identifier: Apache-2.0
// /v1/jobs: made, looked at, listened to, fetched, cancelled.
#include <fstream>
#include <sstream>

#include "service/archive.hpp"
#include "service/files.hpp"
#include "service/names.hpp"
#include "service/service.hpp"
#include "work/checksum.hpp"
#include "work/kinds.hpp"

namespace serve {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;

constexpr std::int64_t kDescriptionBytes = 64 << 10;

Response no_job(const std::string& id) {
    return error_response(404, "not_found", "there is no job '" + safe_name(id) + "'");
}

// {"upload": "...", "name": "...", "options": {"scale": 2}}
Result<void> read_description(const Request& request, Jobs::Wanted& wanted) {
    if (request.body_bytes > kDescriptionBytes)
        return Error{Errc::limit, "the description of a job has more than 64 KiB"};
    std::ifstream file(request.file, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    const json value = json::parse(text.str(), nullptr, false);
    const auto is_text = [&](const char* key) { return !value.contains(key) || value[key].is_string(); };
    if (!value.is_object() || !value.contains("upload") || !is_text("upload") || !is_text("name"))
        return Error{
            Errc::argument,
            "expected a JSON object like {\"upload\": ID, \"name\": \"cat.jpg\", \"options\": {\"scale\": 2}}"};
    wanted.upload = value["upload"].get<std::string>();
    if (value.contains("name")) wanted.name = safe_name(value["name"].get<std::string>());
    if (wanted.upload.empty())
        return Error{Errc::argument, "upload is empty; it should be the last part of an upload's address"};
    const json options = value.value("options", json::object());
    if (!options.is_object() || options.size() > 64)
        return Error{Errc::argument, "options should be an object like {\"scale\": 2}"};
    for (const auto& [key, one] : options.items()) {
        if (one.is_null()) continue;
        if (!one.is_string() && !one.is_number() && !one.is_boolean())
            return Error{Errc::argument, "option '" + safe_name(key) + "' should be a text, a number, true or false"};
        wanted.options.emplace_back(key, one.is_string() ? one.get<std::string>() : one.dump());
    }
    return {};
}

}  // namespace

Answer Service::make_job(Request& request, const std::string& id) {
    Jobs::Wanted wanted{.id = id};
    if (lower(request.header("content-type")).starts_with("application/json")) {
        if (auto read = read_description(request, wanted); !read) return error_response(read.error());
        for (const auto& one : request.query) wanted.options.push_back(one);
    } else {
        if (request.body_bytes == 0)
            return error_response(400, "argument",
                                  "the body is empty; it should be a picture, a film, or a job in JSON");
        wanted.file = request.file;
        wanted.name = request.file_name;
        wanted.options = request.query;
    }
    bool fresh = false;
    const auto job = jobs_->create(wanted, fresh);
    if (!job) {
        if (job.error().code == Errc::cancelled) return error_response(429, "full", job.error().message);
        if (job.error().code == Errc::limit && job.error().message.starts_with("the disk"))
            return error_response(507, "limit", job.error().message);
        return error_response(job.error());
    }
    Response response = json_response(fresh ? 201 : 200, jobs_->described(*job));
    return response.with("Location", (request.method == "POST" ? "jobs/" : "") + job->id);
}

Answer Service::post_job(Request& request) { return make_job(request, random_id()); }

Answer Service::put_job(Request& request) {
    const std::string id = request.part("id");
    if (!is_id(id))
        return error_response(400, "argument", "the name of a job has 1 to 64 letters, digits, '-' and '_'");
    return make_job(request, id);
}

Answer Service::list_jobs(Request&) {
    json list = json::array();
    for (const Job& job : jobs_->list()) list.push_back(jobs_->described(job));
    return json_response(200, {{"jobs", std::move(list)}});
}

Answer Service::get_job(Request& request) {
    const auto job = jobs_->find(request.part("id"));
    return job ? json_response(200, jobs_->described(*job)) : no_job(request.part("id"));
}

Answer Service::delete_job(Request& request) {
    if (!jobs_->remove(request.part("id"))) return no_job(request.part("id"));
    return Response{.status = 204};
}

Answer Service::cancel_job(Request& request) {
    if (!jobs_->cancel(request.part("id"))) return no_job(request.part("id"));
    return get_job(request);
}

Answer Service::job_events(Request& request) {
    const std::string id = request.part("id");
    if (!id.empty() && !jobs_->find(id)) return no_job(id);
    std::string last = request.header("last-event-id");
    if (last.empty()) last = request.parameter("last-event-id");
    if (!id.empty() && jobs_->heard_all(id, last)) return Response{.status = 204};  // tells browsers not to come again
    Response response;
    response.feed = jobs_->listen(id, last);
    return response.with("Content-Type", "text/event-stream").with("X-Accel-Buffering", "no");
}

Answer Service::job_output(Request& request) {
    const auto job = jobs_->find(request.part("id"));
    if (!job) return no_job(request.part("id"));
    if (job->state != JobState::done) {
        if (is_final(job->state)) return error_response(410, job->code, "the job has no result: " + job->message);
        return error_response(409, "not_done", "the job is not done yet").with("Retry-After", "1");
    }
    return file_response(request, jobs_->output_path(*job), std::to_string(job->number) + "o",
                         media_type_of(job->output_extension),
                         result_name(job->name, job->width, job->height, job->output_extension));
}

// The results of the jobs that are named, or of all that are done, in one file.
Answer Service::archive(Request& request) {
    std::vector<Job> wanted;
    for (const auto& [key, value] : request.query) {
        const auto job = key == "job" ? jobs_->find(value) : std::nullopt;
        if (key == "job" && !job) return no_job(value);
        if (!job) continue;
        if (job->state != JobState::done)
            return error_response(409, "not_done", "the job '" + job->id + "' has no result");
        wanted.push_back(*job);
    }
    if (wanted.empty()) wanted = jobs_->list();
    std::vector<Archive::Entry> entries;
    std::string seed;
    for (const Job& job : wanted) {
        if (job.state != JobState::done) continue;
        const std::string path = jobs_->output_path(job);
        const auto sum = job.checksum != 0 ? std::optional(job.checksum) : crc32_of_file(path);
        if (!sum) continue;  // removed meanwhile
        entries.push_back({result_name(job.name, job.width, job.height, job.output_extension), path, job.output_bytes,
                           *sum, job.ended});
        seed += std::to_string(job.number) + "-" + std::to_string(*sum) + " ";
    }
    if (entries.empty()) return error_response(404, "not_found", "no job is done yet");
    const std::string etag = "\"" + std::to_string(entries.size()) + "-" + std::to_string(crc32(seed)) + "\"";
    const auto bytes = std::make_shared<Archive>(std::move(entries));
    Response response;
    if (!take_part(request, response, etag, bytes->size())) return response;
    response.bytes = bytes;
    return response.with("Content-Type", "application/zip")
        .with("Content-Disposition", attachment("enlarged.zip"));
}

Answer Service::job_input(Request& request) {
    const auto job = jobs_->find(request.part("id"));
    if (!job) return no_job(request.part("id"));
    return file_response(request, jobs_->input_path(*job), std::to_string(job->number) + "i",
                         media_type_of(job->extension), job->name);
}

}  // namespace serve
