// Runs a case of flows through ns-3, packet by packet: DCTCP over queues that mark at a threshold.
//
//   ns3_flows < CASE.txt
//
// The case is lines of words, which study.py writes from a flowref/1 case; times are nanoseconds from the case's zero:
//
//   queue BYTES                            what each link's queue holds; first line
//   link BYTES_PER_S DELAY_NS              a directed link, of so many bytes of payload a second
//   flow START_NS BYTES N LINK... M LINK...   N links of its way, M links of the way back for acknowledgements
//
// Prints {"finish_s": [...], "packets": ..., "drops": ..., "marks": ..., "timeouts": ..., "ns3": "3.37"}: when the last
// byte of each flow was read by its receiver. Exit status 0, or 2 with what is wrong on stderr.
//
// Every flow has a pair of addresses of its own, and every switch on its way a host route for each of them: packets take
// the very links that the fluid model's flow takes. A connection is opened before the case begins, as those of a serving
// system are; its window is still that of a new one.
//
// Debian: apt-get install g++ libns3-dev
// Build, from the root of the repository (study.py does it):
//   g++ -O2 -std=c++17 -o target/ns3_flows validation/packets/ns3_flows.cpp -lns3-core ... (see study.py)
#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"
#include "ns3/traffic-control-module.h"
#include "ns3/version-defines.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

using namespace ns3;

namespace
{

// An Ethernet jumbo frame's payload: IPv4 and TCP take 20 bytes each, the time stamp option 12.
constexpr uint32_t MTU = 9000;
constexpr uint32_t SEGMENT = MTU - 52;
constexpr uint32_t FRAMING = 2; // ns-3's point-to-point header
// Marking begins where the queue alone would add this to a way, about the longest round trip of the fabric; DCTCP wants a
// seventh of a round trip at least, and bursts want more. But no later than at a quarter of the queue.
constexpr double MARK_AFTER_S = 30e-6;
constexpr uint32_t MARK_LEAST_PACKETS = 10;
constexpr uint64_t LEAD_NS = 2'000'000; // between opening the connections and the case's zero
constexpr uint64_t CHUNK = 1 << 20;

struct Link
{
    uint64_t bytesPerSecond;
    uint64_t delayNs;
    uint32_t tail;
    uint32_t head;
    Ptr<NetDevice> sender;
};

struct Flow
{
    uint64_t startNs;
    uint64_t bytes;
    std::vector<uint32_t> path;
    std::vector<uint32_t> back;
    uint64_t toSend;
    uint64_t received;
    double finishS;
    Ptr<Socket> socket;
};

struct Case
{
    uint64_t queueBytes = 0;
    std::vector<Link> links;
    std::vector<Flow> flows;
};

std::vector<uint32_t>
ReadPath(std::istream& in, size_t nLinks)
{
    size_t n = 0;
    in >> n;
    std::vector<uint32_t> path(n);
    for (auto& link : path)
    {
        in >> link;
        if (!in || link >= nLinks)
            throw std::runtime_error("a way names a link that is not there");
    }
    return path;
}

Case
ReadCase(std::istream& in)
{
    Case result;
    std::string word;
    while (in >> word)
    {
        if (word == "queue")
        {
            in >> result.queueBytes;
        }
        else if (word == "link")
        {
            Link link{};
            in >> link.bytesPerSecond >> link.delayNs;
            result.links.push_back(link);
        }
        else if (word == "flow")
        {
            Flow flow{};
            in >> flow.startNs >> flow.bytes;
            flow.path = ReadPath(in, result.links.size());
            flow.back = ReadPath(in, result.links.size());
            flow.toSend = flow.bytes;
            flow.finishS = -1;
            if (flow.bytes == 0 || flow.path.empty() || flow.back.empty())
                throw std::runtime_error("a flow without bytes, way or way back");
            result.flows.push_back(flow);
        }
        else
        {
            throw std::runtime_error("unknown word " + word);
        }
        if (!in)
            throw std::runtime_error("not a number after " + word);
    }
    return result;
}

// Which ends of links are the same switch or host: those that a way passes through, and the ends of a way and its way
// back. Returns how many places there are.
uint32_t
FindPlaces(Case& input)
{
    std::vector<uint32_t> parent(2 * input.links.size());
    std::iota(parent.begin(), parent.end(), 0);
    auto find = [&](uint32_t end) {
        while (parent[end] != end)
            end = parent[end] = parent[parent[end]];
        return end;
    };
    auto same = [&](uint32_t a, uint32_t b) { parent[find(a)] = find(b); };
    for (const auto& flow : input.flows)
    {
        for (const auto* way : {&flow.path, &flow.back})
        {
            for (size_t hop = 1; hop < way->size(); ++hop)
                same(2 * (*way)[hop - 1] + 1, 2 * (*way)[hop]);
        }
        same(2 * flow.path.back() + 1, 2 * flow.back.front());
        same(2 * flow.back.back() + 1, 2 * flow.path.front());
    }
    std::unordered_map<uint32_t, uint32_t> numbers;
    auto number = [&](uint32_t end) {
        return numbers.emplace(find(end), static_cast<uint32_t>(numbers.size())).first->second;
    };
    for (uint32_t link = 0; link < input.links.size(); ++link)
    {
        input.links[link].tail = number(2 * link);
        input.links[link].head = number(2 * link + 1);
    }
    return static_cast<uint32_t>(numbers.size());
}

// Host routes by destination, in one look-up; an address without a device is here.
class PinnedRouting : public Ipv4RoutingProtocol
{
  public:
    void Add(Ipv4Address destination, Ipv4Address source, Ptr<NetDevice> device)
    {
        Ptr<Ipv4Route> route = Create<Ipv4Route>();
        route->SetDestination(destination);
        route->SetSource(source);
        route->SetGateway(Ipv4Address::GetAny());
        route->SetOutputDevice(device);
        m_routes[destination.Get()] = route;
    }

    void AddHere(Ipv4Address destination)
    {
        m_routes[destination.Get()] = nullptr;
    }

    Ptr<Ipv4Route> RouteOutput(Ptr<Packet>, const Ipv4Header& header, Ptr<NetDevice>, Socket::SocketErrno& error) override
    {
        auto found = m_routes.find(header.GetDestination().Get());
        error = found == m_routes.end() ? Socket::ERROR_NOROUTETOHOST : Socket::ERROR_NOTERROR;
        return found == m_routes.end() ? nullptr : found->second;
    }

    bool RouteInput(Ptr<const Packet> packet,
                    const Ipv4Header& header,
                    Ptr<const NetDevice> device,
                    UnicastForwardCallback forward,
                    MulticastForwardCallback,
                    LocalDeliverCallback deliver,
                    ErrorCallback) override
    {
        auto found = m_routes.find(header.GetDestination().Get());
        if (found == m_routes.end())
            return false;
        if (found->second)
            forward(found->second, packet, header);
        else
            deliver(packet, header, m_ipv4->GetInterfaceForDevice(device));
        return true;
    }

    void NotifyInterfaceUp(uint32_t) override {}
    void NotifyInterfaceDown(uint32_t) override {}
    void NotifyAddAddress(uint32_t, Ipv4InterfaceAddress) override {}
    void NotifyRemoveAddress(uint32_t, Ipv4InterfaceAddress) override {}
    void SetIpv4(Ptr<Ipv4> ipv4) override
    {
        m_ipv4 = ipv4;
    }
    void PrintRoutingTable(Ptr<OutputStreamWrapper>, Time::Unit) const override {}

  private:
    Ptr<Ipv4> m_ipv4;
    std::unordered_map<uint32_t, Ptr<Ipv4Route>> m_routes;
};

Ipv4Address
SenderOf(size_t flow)
{
    return Ipv4Address(0x0b000002 + 2 * static_cast<uint32_t>(flow));
}

Ipv4Address
ReceiverOf(size_t flow)
{
    return Ipv4Address(0x0b000003 + 2 * static_cast<uint32_t>(flow));
}

void
SetTransport()
{
    Config::SetDefault("ns3::TcpL4Protocol::SocketType", TypeIdValue(TcpDctcp::GetTypeId()));
    Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(SEGMENT));
    Config::SetDefault("ns3::TcpSocket::InitialCwnd", UintegerValue(10));
    // Every segment is acknowledged, so that no timer of the receiver plays a part.
    Config::SetDefault("ns3::TcpSocket::DelAckCount", UintegerValue(1));
    Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(1 << 25));
    Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(1 << 25));
    // As data centres set it; Linux's own least is 200 ms.
    Config::SetDefault("ns3::TcpSocketBase::MinRto", TimeValue(MilliSeconds(10)));
    Config::SetDefault("ns3::TcpSocketBase::ClockGranularity", TimeValue(MicroSeconds(10)));
}

uint64_t
WireBitsPerSecond(const Link& link)
{
    return link.bytesPerSecond * 8 * (MTU + FRAMING) / SEGMENT;
}

void
AddQueue(const Link& link, uint64_t queueBytes, QueueDiscContainer& queues)
{
    const uint64_t inTime = static_cast<uint64_t>(MARK_AFTER_S * static_cast<double>(link.bytesPerSecond));
    const uint64_t least = std::max<uint64_t>(inTime, MARK_LEAST_PACKETS * MTU);
    const double mark = static_cast<double>(std::min(least, queueBytes / 4));
    TrafficControlHelper traffic;
    traffic.SetRootQueueDisc("ns3::RedQueueDisc",
                             "MaxSize",
                             QueueSizeValue(QueueSize(QueueSizeUnit::BYTES, static_cast<uint32_t>(queueBytes))),
                             "MinTh",
                             DoubleValue(mark),
                             "MaxTh",
                             DoubleValue(mark),
                             "MeanPktSize",
                             UintegerValue(MTU),
                             "QW",
                             DoubleValue(1),
                             "Gentle",
                             BooleanValue(false),
                             "UseEcn",
                             BooleanValue(true),
                             "UseHardDrop",
                             BooleanValue(false),
                             "LinkBandwidth",
                             DataRateValue(DataRate(WireBitsPerSecond(link))),
                             "LinkDelay",
                             TimeValue(NanoSeconds(link.delayNs)));
    queues.Add(traffic.Install(link.sender));
}

// The links, and their queues.
void
BuildLinks(Case& input, const NodeContainer& places, QueueDiscContainer& queues)
{
    for (auto& link : input.links)
    {
        PointToPointHelper cable;
        cable.SetDeviceAttribute("DataRate", DataRateValue(DataRate(WireBitsPerSecond(link))));
        cable.SetDeviceAttribute("Mtu", UintegerValue(MTU));
        cable.SetChannelAttribute("Delay", TimeValue(NanoSeconds(link.delayNs)));
        // What is behind the marking queue: as little as there can be.
        cable.SetQueue("ns3::DropTailQueue<Packet>", "MaxSize", StringValue("1p"));
        NetDeviceContainer ends = cable.Install(places.Get(link.tail), places.Get(link.head));
        link.sender = ends.Get(0);
        AddQueue(link, input.queueBytes, queues);
        for (uint32_t end = 0; end < 2; ++end)
        {
            Ptr<Ipv4> ipv4 = ends.Get(end)->GetNode()->GetObject<Ipv4>();
            ipv4->SetUp(ipv4->AddInterface(ends.Get(end)));
        }
    }
}

void
AddRoutes(const Case& input, std::vector<Ptr<PinnedRouting>>& routing)
{
    for (size_t flow = 0; flow < input.flows.size(); ++flow)
    {
        const auto& [path, back] = std::tie(input.flows[flow].path, input.flows[flow].back);
        for (uint32_t link : path)
            routing[input.links[link].tail]->Add(ReceiverOf(flow), SenderOf(flow), input.links[link].sender);
        routing[input.links[path.back()].head]->AddHere(ReceiverOf(flow));
        for (uint32_t link : back)
            routing[input.links[link].tail]->Add(SenderOf(flow), ReceiverOf(flow), input.links[link].sender);
        routing[input.links[back.back()].head]->AddHere(SenderOf(flow));
    }
}

size_t g_left = 0;
uint64_t g_timeouts = 0;

void
Send(Flow* flow, Ptr<Socket> socket)
{
    if (Simulator::Now() < NanoSeconds(LEAD_NS + flow->startNs))
        return;
    while (flow->toSend > 0)
    {
        const uint64_t size = std::min(flow->toSend, CHUNK);
        if (socket->GetTxAvailable() < size)
            return;
        if (socket->Send(Create<Packet>(static_cast<uint32_t>(size))) != static_cast<int>(size))
            throw std::runtime_error("a socket took less than it had room for");
        flow->toSend -= size;
    }
}

void
Receive(Flow* flow, Ptr<Socket> socket)
{
    while (Ptr<Packet> packet = socket->Recv())
    {
        if (packet->GetSize() == 0)
            break;
        flow->received += packet->GetSize();
    }
    if (flow->received == flow->bytes && flow->finishS < 0)
    {
        flow->finishS = (Simulator::Now() - NanoSeconds(LEAD_NS)).GetSeconds();
        if (--g_left == 0)
            Simulator::Stop();
    }
}

void
CountTimeouts(TcpSocketState::TcpCongState_t, TcpSocketState::TcpCongState_t now)
{
    g_timeouts += now == TcpSocketState::CA_LOSS;
}

void
StartFlow(Flow* flow, size_t number, Ptr<Node> source, Ptr<Node> destination)
{
    constexpr uint16_t PORT = 5000;
    Ptr<Socket> listener = Socket::CreateSocket(destination, TcpSocketFactory::GetTypeId());
    listener->Bind(InetSocketAddress(ReceiverOf(number), PORT));
    listener->Listen();
    listener->SetAcceptCallback(MakeNullCallback<bool, Ptr<Socket>, const Address&>(),
                                Callback<void, Ptr<Socket>, const Address&>(
                                    [flow](Ptr<Socket> accepted, const Address&) {
                                        accepted->SetRecvCallback(Callback<void, Ptr<Socket>>(
                                            [flow](Ptr<Socket> socket) { Receive(flow, socket); }));
                                    }));
    flow->socket = Socket::CreateSocket(source, TcpSocketFactory::GetTypeId());
    flow->socket->Bind(InetSocketAddress(SenderOf(number), PORT));
    flow->socket->TraceConnectWithoutContext("CongState", MakeCallback(&CountTimeouts));
    flow->socket->SetSendCallback(
        Callback<void, Ptr<Socket>, uint32_t>([flow](Ptr<Socket> socket, uint32_t) { Send(flow, socket); }));
    flow->socket->Connect(InetSocketAddress(ReceiverOf(number), PORT));
    Simulator::Schedule(NanoSeconds(LEAD_NS + flow->startNs), [flow] { Send(flow, flow->socket); });
}

void
Print(const Case& input, const QueueDiscContainer& queues)
{
    uint64_t drops = 0;
    uint64_t marks = 0;
    uint64_t packets = 0;
    for (uint32_t index = 0; index < queues.GetN(); ++index)
    {
        const auto& stats = queues.Get(index)->GetStats();
        drops += stats.nTotalDroppedPackets;
        marks += stats.nTotalMarkedPackets;
        packets += stats.nTotalSentPackets;
    }
    std::printf("{\"finish_s\": [");
    const char* comma = "";
    for (const auto& flow : input.flows)
    {
        std::printf(flow.finishS < 0 ? "%snull" : "%s%.9f", comma, flow.finishS);
        comma = ", ";
    }
    std::printf("], \"packets\": %llu, \"drops\": %llu, \"marks\": %llu, \"timeouts\": %llu, \"ns3\": \"%d.%d\"}\n",
                static_cast<unsigned long long>(packets),
                static_cast<unsigned long long>(drops),
                static_cast<unsigned long long>(marks),
                static_cast<unsigned long long>(g_timeouts),
                NS3_VERSION_MAJOR,
                NS3_VERSION_MINOR);
}

void
Run()
{
    Case input = ReadCase(std::cin);
    SetTransport();
    RngSeedManager::SetSeed(1);
    NodeContainer places;
    places.Create(FindPlaces(input));
    InternetStackHelper internet;
    internet.SetIpv6StackInstall(false);
    internet.Install(places);
    std::vector<Ptr<PinnedRouting>> routing;
    for (uint32_t place = 0; place < places.GetN(); ++place)
    {
        routing.push_back(CreateObject<PinnedRouting>());
        places.Get(place)->GetObject<Ipv4>()->SetRoutingProtocol(routing.back());
    }
    QueueDiscContainer queues;
    BuildLinks(input, places, queues);
    AddRoutes(input, routing);
    g_left = input.flows.size();
    for (size_t number = 0; number < input.flows.size(); ++number)
    {
        Flow& flow = input.flows[number];
        Ptr<Node> source = places.Get(input.links[flow.path.front()].tail);
        Ptr<Node> destination = places.Get(input.links[flow.path.back()].head);
        Simulator::Schedule(NanoSeconds(100 * number), [&flow, number, source, destination] {
            StartFlow(&flow, number, source, destination);
        });
    }
    Simulator::Stop(Seconds(1000));
    Simulator::Run();
    Print(input, queues);
    Simulator::Destroy();
}

} // namespace

int
main()
{
    try
    {
        Run();
        return 0;
    }
    catch (const std::exception& error)
    {
        std::cerr << "ns3_flows: " << error.what() << "\n";
        return 2;
    }
}
