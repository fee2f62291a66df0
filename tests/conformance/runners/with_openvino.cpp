// OpenVINO in C++, against the headers and libraries inside its Python wheel: a program FOLDER.
// The requests are described in expected.py, the line of JSON it prints in harness.py.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iostream>
#include <limits>
#include <map>
#include <openvino/openvino.hpp>
#include <sstream>
#include <string>
#include <vector>

using Clock = std::chrono::steady_clock;
using Arrays = std::map<std::string, ov::Tensor>;

constexpr double BUDGET = 1.0;  // seconds of timing, and at least three runs
constexpr double ROUNDING = 1e-4;  // what differs by more is another value

struct Request {
    std::string number, graph;
    std::map<std::string, Arrays> arrays;  // input, output, unit
};

double seconds_since(Clock::time_point started) {
    return std::chrono::duration<double>(Clock::now() - started).count();
}

ov::Tensor tensor(const std::string& type, const std::string& shape, const char* bytes,
                  size_t size) {
    ov::Shape dims;
    std::istringstream sizes(shape == "-" ? "" : shape);
    for (std::string dim; std::getline(sizes, dim, ',');) dims.push_back(std::stoul(dim));
    ov::Tensor result(type == "int64" ? ov::element::i64 : ov::element::f32, dims);
    std::memcpy(result.data(), bytes, size);
    return result;
}

std::vector<Request> read_requests(const std::string& folder) {
    std::ifstream file(folder + "/arrays.bin", std::ios::binary);
    const std::string data{std::istreambuf_iterator<char>(file), {}};
    std::ifstream lines(folder + "/requests.tsv");
    std::string line, number, graph, samples, role, name, type, shape;
    size_t offset, size;
    std::getline(lines, line);  // the names of the columns
    std::vector<Request> requests;
    while (lines >> number >> graph >> samples >> role >> name >> type >> shape >> offset >> size) {
        if (requests.empty() || requests.back().number != number)
            requests.push_back({number, graph, {}});
        const auto array = tensor(type, shape, data.data() + offset, size);
        requests.back().arrays[role].emplace(name, array);
    }
    return requests;
}

std::string quoted(std::string text) {
    for (char& c : text)
        if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < ' ') c = ' ';
    return '"' + text.substr(0, 300) + '"';
}

std::string compared(const ov::Tensor& computed, const ov::Tensor& expected,
                     const ov::Tensor& unit) {
    std::ostringstream json;
    if (computed.get_element_type() != expected.get_element_type() ||
        computed.get_shape() != expected.get_shape())
        return R"({"identical": false, "difference": null, "share": 1})";
    const size_t size = expected.get_size();
    double gap = 0;
    size_t other = 0;
    for (size_t i = 0; i < size; i++) {
        const double step = std::abs(double(computed.data<const float>()[i]) -
                                     double(expected.data<const float>()[i])) /
                            unit.data<const float>()[i % unit.get_size()];
        if (!(step <= gap)) gap = step;  // NaN too
        if (!(step <= ROUNDING)) other++;
    }
    const bool identical =
        !size || !std::memcmp(computed.data(), expected.data(), expected.get_byte_size());
    json << R"({"identical": )" << (identical ? "true" : "false") << R"(, "share": )"
         << double(other) / std::max<size_t>(1, size) << R"(, "difference": )";
    std::isfinite(gap) ? json << gap << '}' : json << "null}";
    return json.str();
}

double median_seconds(ov::InferRequest& session) {
    session.infer();
    std::vector<double> times;
    for (double sum = 0; sum < BUDGET || times.size() < 3; sum += times.back()) {
        const auto started = Clock::now();
        session.infer();
        times.push_back(seconds_since(started));
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

std::string answer(ov::InferRequest& session, Request& request) {
    for (const auto& [name, array] : request.arrays["input"]) session.set_tensor(name, array);
    std::ostringstream json;
    if (request.arrays["output"].empty()) {
        json << R"({"seconds": )" << median_seconds(session) << '}';
        return json.str();
    }
    session.infer();
    for (const auto& [name, array] : request.arrays["output"])
        json << (json.tellp() ? ", " : "{") << quoted(name) << ": "
             << compared(session.get_tensor(name), array, request.arrays["unit"].at(name));
    return json.str() + '}';
}

int main(int, char** arguments) {
    const std::string folder = arguments[1];
    ov::Core core;
    std::map<std::string, ov::InferRequest> sessions;
    std::ostringstream loads, results;
    for (Request& request : read_requests(folder)) {
        results << (results.tellp() ? ", " : "") << quoted(request.number) << ": ";
        try {
            if (!sessions.count(request.graph)) {
                const auto started = Clock::now();
                auto model = core.compile_model(folder + '/' + request.graph, "CPU",
                                                ov::hint::inference_precision(ov::element::f32));
                sessions[request.graph] = model.create_infer_request();
                loads << (loads.tellp() ? ", " : "") << quoted(request.graph) << ": "
                      << seconds_since(started);
            }
            results << answer(sessions[request.graph], request);
        } catch (const std::exception& error) {
            results << R"({"error": )" << quoted(error.what()) << '}';
        }
    }
    const std::string build = ov::get_openvino_version().buildNumber;
    std::cout << R"({"version": )" << quoted(build.substr(0, build.find('-')))
              << R"(, "load_seconds": {)" << loads.str() << R"(}, "results": {)" << results.str()
              << "}}" << std::endl;
}
