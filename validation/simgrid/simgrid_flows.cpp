// Runs a flowref/1 case through SimGrid's fluid network model, with every TCP correction off.
//
//   simgrid_flows [--timing] [--cfg=KEY:VALUE ...] CASE.json
//
// Prints what `netkv flows` prints: {"finish_s": [...], "simgrid": "3.32"}, with --timing also "run_cpu_s", the CPU
// seconds of Engine::run alone; reading the case and building the platform are not in it. A --cfg goes to SimGrid
// after ours, so it can change any of them. Exit status: 0, or 2 with what is wrong on stderr.
//
// Debian: apt-get install g++ libsimgrid-dev nlohmann-json3-dev
// Build, from the root of the repository:
//   g++ -O2 -std=c++17 -o target/simgrid_flows validation/simgrid/simgrid_flows.cpp -lsimgrid
#include <nlohmann/json.hpp>
#include <simgrid/s4u.hpp>
#include <simgrid/version.h>

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace s4u = simgrid::s4u;

namespace {

struct Link {
    double bandwidth;  // bytes per second
    double latency;    // seconds
};

struct Flow {
    double enters;  // start plus the latencies of the path, in seconds
    std::uint64_t bytes;
    double cap;  // bytes per second; 0: none
    std::vector<std::size_t> path;
};

struct Case {
    std::vector<Link> links;
    std::vector<Flow> flows;
};

// Plain max-min fairness. CM02 is SimGrid's model without LV08's fitted factors; the rest of the TCP model is turned
// off key by key, and the solver's and the clock's tolerances are lowered to where doubles end.
const std::vector<std::string> FLAGS = {
    "--cfg=network/model:CM02",
    "--cfg=network/bandwidth-factor:1",  // payload share of a link
    "--cfg=network/latency-factor:1",    // slow start, as a multiple of latency
    "--cfg=network/weight-S:0",          // unfairness between round-trip times
    "--cfg=network/TCP-gamma:0",         // a window's limit on the rate
    "--cfg=network/crosstraffic:0",      // acknowledgements that use the way back
    "--cfg=network/optim:Lazy",          // the faster of its two engines; also the default
    "--cfg=maxmin/precision:1e-12",
    "--cfg=surf/precision:1e-12",
    "--log=root.thresh:warning",
};

// The position that an entry's id must be equal to is checked: paths refer to links by it.
void check_id(const nlohmann::json& entry, std::size_t position, const char* what)
{
    if (entry.at("id").get<std::size_t>() != position)
        throw std::runtime_error(std::string(what) + " " + std::to_string(position) + ": its id is not its position");
}

Case read_case(const std::string& file)
{
    std::ifstream stream(file);
    if (!stream)
        throw std::runtime_error("no such file, or not readable");
    const nlohmann::json raw = nlohmann::json::parse(stream);
    if (raw.at("format") != "flowref/1")
        throw std::runtime_error("format is not flowref/1");
    Case result;
    for (const auto& entry : raw.at("links")) {
        check_id(entry, result.links.size(), "link");
        result.links.push_back({entry.at("bandwidth_Bps").get<double>(), entry.at("latency_s").get<double>()});
    }
    for (const auto& entry : raw.at("flows")) {
        check_id(entry, result.flows.size(), "flow");
        Flow flow{0, entry.at("size_bytes").get<std::uint64_t>(), 0, entry.at("path")};
        double latency = 0;
        for (const std::size_t link : flow.path)
            latency += result.links.at(link).latency;
        flow.enters = entry.at("start_s").get<double>() + latency;
        if (entry.contains("rate_cap_Bps") && !entry["rate_cap_Bps"].is_null())
            flow.cap = entry["rate_cap_Bps"].get<double>();
        result.flows.push_back(std::move(flow));
    }
    return result;
}

// A star: every route of the case is the way up of a sender of its own, and the receiver's way down has no links. So
// a flow takes exactly the links of its path and SimGrid's own routing has no say. Latencies are in Flow::enters
// already, so links have none. A cap is a private link of that bandwidth at the front of the path, which is the same
// by the definition of max-min.
struct Platform {
    s4u::Host* receiver;
    std::vector<s4u::Host*> sender;  // of each flow
};

Platform build_platform(const Case& input)
{
    auto* zone = s4u::create_star_zone("fabric");
    std::vector<s4u::Link*> links;
    for (const Link& link : input.links) {
        const std::string name = "link" + std::to_string(links.size());
        links.push_back(zone->create_link(name, link.bandwidth)->set_latency(0)->seal());
    }
    const auto add_host = [zone](const std::string& name, const std::vector<s4u::LinkInRoute>& up) {
        auto* host = zone->create_host(name, 1e9)->seal();
        zone->add_route(host->get_netpoint(), nullptr, nullptr, nullptr, up, false);
        zone->add_route(nullptr, host->get_netpoint(), nullptr, nullptr, {}, false);
        return host;
    };
    Platform platform{add_host("receiver", {}), {}};
    std::map<std::vector<std::size_t>, s4u::Host*> shared;  // the sender of each path, for flows without a cap
    for (const Flow& flow : input.flows) {
        const std::string name = std::to_string(platform.sender.size());
        std::vector<s4u::LinkInRoute> up;
        if (flow.cap > 0)
            up.emplace_back(zone->create_link("cap" + name, flow.cap)->set_latency(0)->seal());
        for (const std::size_t link : flow.path)
            up.emplace_back(links[link]);
        if (flow.cap > 0) {
            platform.sender.push_back(add_host("sender" + name, up));
            continue;
        }
        s4u::Host*& sender = shared[flow.path];
        if (sender == nullptr)
            sender = add_host("sender" + name, up);
        platform.sender.push_back(sender);
    }
    zone->seal();
    return platform;
}

// The one actor: starts every flow when it enters, then collects when each was finished.
void transfer(const Case& input, const Platform& platform, const std::vector<std::size_t>& order,
              std::vector<double>& finish)
{
    std::vector<std::pair<std::size_t, s4u::CommPtr>> sent;
    sent.reserve(order.size());
    for (const std::size_t index : order) {
        const Flow& flow = input.flows[index];
        if (flow.enters > s4u::Engine::get_clock())
            s4u::this_actor::sleep_until(flow.enters);
        if (flow.bytes == 0)
            finish[index] = flow.enters;  // never enters SimGrid
        else
            sent.emplace_back(index, s4u::Comm::sendto_async(platform.sender[index], platform.receiver, flow.bytes));
    }
    for (const auto& [index, comm] : sent) {
        comm->wait();
        finish[index] = comm->get_finish_time();
    }
}

double cpu_seconds()
{
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) { return double(time.tv_sec) + 1e-6 * double(time.tv_usec); };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void run(const std::string& file, bool timing, const std::vector<std::string>& more_flags)
{
    const Case input = read_case(file);
    std::vector<std::string> words = {"simgrid_flows"};
    words.insert(words.end(), FLAGS.begin(), FLAGS.end());
    words.insert(words.end(), more_flags.begin(), more_flags.end());
    std::vector<char*> pointers;
    for (std::string& word : words)
        pointers.push_back(word.data());
    int count = int(pointers.size());
    pointers.push_back(nullptr);
    s4u::Engine engine(&count, pointers.data());

    const Platform platform = build_platform(input);
    std::vector<std::size_t> order(input.flows.size());
    for (std::size_t index = 0; index < order.size(); ++index)
        order[index] = index;
    std::stable_sort(order.begin(), order.end(), [&input](std::size_t left, std::size_t right) {
        return input.flows[left].enters < input.flows[right].enters;
    });
    std::vector<double> finish(input.flows.size(), -1);
    s4u::Actor::create("transfer", platform.receiver, [&] { transfer(input, platform, order, finish); });
    const double before = cpu_seconds();
    engine.run();
    const double cpu = cpu_seconds() - before;

    nlohmann::json answer = {
        {"finish_s", finish},
        {"simgrid", std::to_string(SIMGRID_VERSION_MAJOR) + "." + std::to_string(SIMGRID_VERSION_MINOR)},
    };
    if (timing)
        answer["run_cpu_s"] = cpu;
    std::puts(answer.dump().c_str());
}

}  // namespace

int main(int argc, char** argv)
{
    bool timing = false;
    std::string file;
    std::vector<std::string> more_flags;
    for (int index = 1; index < argc; ++index) {
        const std::string word = argv[index];
        if (word == "--timing")
            timing = true;
        else if (word.rfind("--cfg=", 0) == 0 || word.rfind("--log=", 0) == 0)
            more_flags.push_back(word);
        else if (!file.empty() || word.rfind("-", 0) == 0)
            file = "-";
        else
            file = word;
    }
    if (file.empty() || file == "-") {
        std::fputs("usage: simgrid_flows [--timing] [--cfg=KEY:VALUE ...] CASE.json\n", stderr);
        return 2;
    }
    try {
        run(file, timing, more_flags);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "simgrid_flows: %s: %s\n", file.c_str(), error.what());
        return 2;
    }
    return 0;
}
