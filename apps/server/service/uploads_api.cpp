// SPDX-License-Identifier: Apache-2.0
// /v1/uploads: tus 1.0.0 (creation, termination), so that an upload goes on where a connection was lost.
#include "service/service.hpp"

namespace serve {
namespace {

using enlarge::Errc;

Response& tus(Response& response) { return response.with("Tus-Resumable", "1.0.0"); }

// Of every request but OPTIONS: 412 where the client speaks another version.
bool speaks_tus(const Request& request, Response& response) {
    if (request.header("tus-resumable") == "1.0.0") return true;
    response = error_response(412, "version", "Tus-Resumable: 1.0.0 is expected");
    tus(response).with("Tus-Version", "1.0.0");
    return false;
}

Response no_upload(const std::string& id) {
    Response response = error_response(404, "not_found", "there is no upload '" + safe_name(id) + "'");
    return tus(response);
}

Response offset_response(int status, std::int64_t offset) {
    Response response{.status = status};
    return tus(response).with("Upload-Offset", std::to_string(offset));
}

}  // namespace

Answer Service::upload_options(Request&) {
    Response response{.status = 204};
    return tus(response)
        .with("Tus-Version", "1.0.0")
        .with("Tus-Extension", "creation,termination")
        .with("Tus-Max-Size", std::to_string(options_.upload_bytes));
}

Answer Service::create_upload(Request& request) {
    Response no;
    if (!speaks_tus(request, no)) return no;
    const auto length = whole_number(request.header("upload-length"));
    const auto metadata = parse_upload_metadata(request.header("upload-metadata"));
    if (!length || *length == 0)
        no = error_response(400, "argument", "Upload-Length should be the number of bytes, more than 0");
    else if (*length > options_.upload_bytes)
        no = error_response(413, "limit",
                            "the upload would have " + std::to_string(*length) + " bytes; at most " +
                                std::to_string(options_.upload_bytes) + " are taken here");
    else if (!metadata)
        no = error_response(400, "argument", "Upload-Metadata should be names, each with a value in base64");
    else if (options_.disk_bytes > 0 && jobs_->disk_bytes() + *length > options_.disk_bytes) {
        jobs_->tidy();
        if (jobs_->disk_bytes() + *length > options_.disk_bytes)
            no = error_response(507, "limit", "the disk is full of jobs and uploads");
    }
    if (no.status != 200) return tus(no);
    std::string name;
    for (const auto& [key, value] : *metadata)
        if (key == "filename" || (key == "name" && name.empty())) name = safe_name(value);
    const auto upload = jobs_->uploads().create(*length, name);
    if (!upload) return tus(no = error_response(upload.error()));
    Response response{.status = 201};
    // Relative to the address that was asked, so it holds behind any proxy.
    return tus(response).with("Location", "uploads/" + upload->id).with("Upload-Offset", "0");
}

Answer Service::head_upload(Request& request) {
    Response no;
    if (!speaks_tus(request, no)) return no;
    const auto upload = jobs_->uploads().find(request.part("id"));
    if (!upload) return no_upload(request.part("id"));
    Response response = offset_response(200, jobs_->uploads().offset(*upload));
    return response.with("Upload-Length", std::to_string(upload->length)).with("Cache-Control", "no-store");
}

std::unique_ptr<Sink> Service::append_upload(Request& request, Response& no) {
    if (!speaks_tus(request, no)) return nullptr;
    const auto upload = jobs_->uploads().find(request.part("id"));
    if (!upload) return no = no_upload(request.part("id")), nullptr;
    const auto offset = whole_number(request.header("upload-offset"));
    const auto length = whole_number(request.header("content-length"));
    if (request.header("content-type") != "application/offset+octet-stream")
        no = error_response(415, "unsupported", "the body should be application/offset+octet-stream");
    else if (!offset)
        no = error_response(400, "argument", "Upload-Offset should be a number of bytes");
    else if (length && *length > upload->length - std::min(*offset, upload->length))
        no = error_response(
            413, "limit",
            "the upload would be longer than the " + std::to_string(upload->length) + " bytes that were announced");
    if (no.status != 200) return tus(no), nullptr;
    auto sink = jobs_->uploads().append(*upload, *offset, [](std::int64_t at) { return offset_response(204, at); });
    if (sink) return std::move(sink).value();
    no = error_response(sink.error());
    return tus(no), nullptr;
}

Answer Service::delete_upload(Request& request) {
    Response no;
    if (!speaks_tus(request, no)) return no;
    const auto upload = jobs_->uploads().find(request.part("id"));
    if (!upload) return no_upload(request.part("id"));
    if (auto removed = jobs_->uploads().remove(*upload); !removed) return tus(no = error_response(removed.error()));
    Response response{.status = 204};
    return tus(response);
}

}  // namespace serve
