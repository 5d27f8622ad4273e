#include "config/params.hpp"

#include <algorithm>
#include <array>

namespace margay::config {
namespace {

using Text = std::string_view;
constexpr std::int64_t kPort = 65535;

constexpr auto kRules = "Packet filtering";
constexpr auto kNat = "Address translation";
constexpr auto kSets = "Sets, routes, interfaces";
constexpr auto kTell = "Health, metrics, logs, status";
constexpr auto kLater = "Known, and without effect yet";

Complaint allow(Text t, rules::Verdict& out) {
  return parse_word<rules::Verdict>(t, {{"Accept", rules::Verdict::Accept}, {"Return", rules::Verdict::Return}}, out);
}
Complaint enabled(Text t, bool& out) { return parse_word<bool>(t, {{"Enabled", true}, {"Disabled", false}}, out); }

// A parameter of Calico's that has no meaning here (yet); accepted so that existing configurations go on working.
constexpr Parameter later(Text name, Text form, Text preset, Text prose, Text field = "") {
  return {kLater, name, field, form, preset, prose, nullptr, true};
}

// clang-format off
const Parameter kTable[] = {
  {kRules, "ChainInsertMode", "", "insert, append", "insert", "Our jumps stand first in the kernel's chains, or after everybody else's rules.",
   [](Config& c, Text t) { return parse_word<bool>(t, {{"insert", false}, {"append", true}}, c.rules.append_hooks); }},
  {kRules, "DefaultEndpointToHostAction", "", "Drop, Accept, Return", "Drop", "What becomes of a workload's packet to its own host after the workload's egress policy let it pass.",
   [](Config& c, Text t) { return parse_word<rules::Verdict>(t, {{"Drop", rules::Verdict::Drop}, {"Accept", rules::Verdict::Accept}, {"Return", rules::Verdict::Return}}, c.rules.endpoint_to_host); }},
  {kRules, "IptablesFilterAllowAction", "", "Accept, Return", "Accept", "An allowed packet is accepted at once, or goes on to the rules after ours (filter table).",
   [](Config& c, Text t) { return allow(t, c.rules.filter_allow); }},
  {kRules, "IptablesMangleAllowAction", "", "Accept, Return", "Accept", "The same in the mangle table.",
   [](Config& c, Text t) { return allow(t, c.rules.mangle_allow); }},
  {kRules, "IptablesFilterDenyAction", "", "Drop, Reject", "Drop", "A denied packet vanishes, or is answered (filter table; raw and mangle always drop).",
   [](Config& c, Text t) { return parse_word<rules::Verdict>(t, {{"Drop", rules::Verdict::Drop}, {"Reject", rules::Verdict::Reject}}, c.rules.filter_deny); }},
  {kRules, "IptablesMarkMask", "", "mask with 6 bits or more", "0xffff0000", "The packet mark bits we may use; others keep the rest.",
   [](Config& c, Text t) { return parse_mark_mask(t, c.rules.mark_mask); }},
  {kRules, "IptablesRefreshInterval", "", "duration", "180", "How often tables are read back although nothing hints at a change; 0 never.",
   [](Config& c, Text t) { return parse_seconds(t, c.iptables_refresh); }},
  {kRules, "InterfacePrefix", "", "list of prefixes", "cali", "Interfaces whose names begin so belong to workloads, and carry nothing until their endpoint is known.",
   [](Config& c, Text t) { return parse_interface_prefixes(t, c.rules.interface_prefixes); }},
  {kRules, "FailsafeInboundHostPorts", "", "list of [proto:][net:]port, none", "tcp:22,udp:68,tcp:179,tcp:2379,tcp:2380,tcp:5473,tcp:6443,tcp:6666,tcp:6667", "Ports of a host endpoint that no policy can close.",
   [](Config& c, Text t) { return parse_failsafe_ports(t, c.rules.failsafe_in); }},
  {kRules, "FailsafeOutboundHostPorts", "", "list of [proto:][net:]port, none", "udp:53,udp:67,tcp:179,tcp:2379,tcp:2380,tcp:5473,tcp:6443,tcp:6666,tcp:6667", "The same for what the host itself sends.",
   [](Config& c, Text t) { return parse_failsafe_ports(t, c.rules.failsafe_out); }},
  {kRules, "DisableConntrackInvalidCheck", "", "true, false", "false", "Do not drop packets that connection tracking finds invalid.",
   [](Config& c, Text t) { return parse_bool(t, c.rules.disable_conntrack_invalid_check); }},
  {kRules, "LogPrefix", "", "text with %t %k %n %p", "calico-packet", "How lines of the Log action begin: %t tier, %k kind, %n name, %p namespace/name of the policy.",
   [](Config& c, Text t) { return parse_log_prefix(t, c.rules.log_prefix); }},
  {kRules, "LogActionRateLimit", "", "N/second, /minute, /hour, /day", "", "At most so many lines a rule of action Log; not set: no limit.",
   [](Config& c, Text t) { return parse_log_rate(t, c.rules.log_rate); }},
  {kRules, "LogActionRateLimitBurst", "", "0 to 9999", "5", "So many lines before the limit begins to bite.",
   [](Config& c, Text t) { return parse_integer(t, 0, 9999, c.rules.log_burst); }},
  {kRules, "AllowVXLANPacketsFromWorkloads", "", "true, false", "false", "Workloads may send VXLAN packets themselves.",
   [](Config& c, Text t) { return parse_bool(t, c.rules.allow_vxlan_from_workloads); }},
  {kRules, "AllowIPIPPacketsFromWorkloads", "", "true, false", "false", "Workloads may send IP-in-IP packets themselves.",
   [](Config& c, Text t) { return parse_bool(t, c.rules.allow_ipip_from_workloads); }},
  {kRules, "ServiceLoopPrevention", "", "Drop, Reject, Disabled", "Drop", "What becomes of packets to service addresses that nothing translated.",
   [](Config& c, Text t) { using L = rules::Config::LoopPrevention; return parse_word<L>(t, {{"Drop", L::Drop}, {"Reject", L::Reject}, {"Disabled", L::Disabled}}, c.rules.loop_prevention); }},
  {kRules, "WorkloadSourceSpoofing", "", "Disabled, Any", "Disabled", "Workloads may name further source prefixes of theirs (annotation allowedSourcePrefixes).",
   [](Config& c, Text t) { return parse_word<bool>(t, {{"Disabled", false}, {"Any", true}}, c.rules.spoofing_allowed); }},
  {kRules, "Ipv6Support", "", "true, false", "true", "Tables, sets and routes of IPv6 are ours too.",
   [](Config& c, Text t) { return parse_bool(t, c.rules.ipv6); }},
  {kRules, "VXLANPort", "", "1 to 65535", "4789", "The port by which VXLAN packets are known.",
   [](Config& c, Text t) { return parse_integer(t, 1, kPort, c.rules.vxlan_port); }},

  {kNat, "NATPortRange", "natPortRange", "MIN:MAX", "", "Source ports of translated TCP and UDP connections.",
   [](Config& c, Text t) { return parse_port_range(t, c.rules.nat_port_range); }},
  {kNat, "NATOutgoingAddress", "natOutgoingAddress", "IPv4 address", "", "Translate to this address instead of the outgoing interface's.",
   [](Config& c, Text t) { return parse_address(t, Family::V4, c.rules.nat_outgoing_address); }},
  {kNat, "NATOutgoingExclusions", "natOutgoingExclusions", "IPPoolsOnly, IPPoolsAndHostIPs", "IPPoolsOnly", "Destinations to which workloads keep their own address.",
   [](Config& c, Text t) { return parse_word<bool>(t, {{"IPPoolsOnly", false}, {"IPPoolsAndHostIPs", true}}, c.rules.nat_exclude_hosts); }},
  {kNat, "IptablesNATOutgoingInterfaceFilter", "", "interface, or beginning with +", "", "Translate only what leaves by such an interface.",
   [](Config& c, Text t) { return parse_interface_filter(t, c.rules.nat_outgoing_interface); }},
  {kNat, "FloatingIPs", "", "Enabled, Disabled", "Disabled", "Translate the floating addresses that pods name in their annotation.",
   [](Config& c, Text t) { return enabled(t, c.rules.floating_ips); }},
  {kNat, "ExternalNodesCIDRList", "externalNodesList", "list of CIDRs", "", "Hosts outside the cluster that count as nodes.",
   [](Config& c, Text t) { return parse_cidrs(t, c.rules.external_nodes); }},

  {kSets, "MaxIpsetSize", "", "1 to 4294967295", "1048576", "Most members of a set.",
   [](Config& c, Text t) { return parse_integer(t, 1, 4294967295, c.rules.max_set_size); }},
  {kSets, "IpsetsRefreshInterval", "", "duration", "90", "How often sets are read back; 0 never.",
   [](Config& c, Text t) { return parse_seconds(t, c.ipsets_refresh); }},
  {kSets, "RouteRefreshInterval", "", "duration", "90", "How often routes are read back; 0 never.",
   [](Config& c, Text t) { return parse_seconds(t, c.route_refresh); }},
  {kSets, "InterfaceRefreshInterval", "", "duration", "90", "How often interfaces are read back although the kernel announces changes; 0 never.",
   [](Config& c, Text t) { return parse_seconds(t, c.interface_refresh); }},
  {kSets, "RouteSyncDisabled", "", "true, false", "false", "Leave routes to somebody else.",
   [](Config& c, Text t) { return parse_bool(t, c.route_sync_disabled); }},
  {kSets, "RemoveExternalRoutes", "", "true, false", "true", "Take away routes on workload interfaces that are not ours.",
   [](Config& c, Text t) { return parse_bool(t, c.remove_external_routes); }},
  {kSets, "DeviceRouteProtocol", "", "1 to 255", "80", "The routing protocol number by which our routes are known (Calico's default is 3).",
   [](Config& c, Text t) { return parse_integer(t, 1, 255, c.route_protocol); }},
  {kSets, "DeviceRouteSourceAddress", "", "IPv4 address", "", "Preferred source of workload routes.",
   [](Config& c, Text t) { return parse_address(t, Family::V4, c.route_source_v4); }},
  {kSets, "DeviceRouteSourceAddressIPv6", "", "IPv6 address", "", "The same for IPv6.",
   [](Config& c, Text t) { return parse_address(t, Family::V6, c.route_source_v6); }},
  {kSets, "IPv4NormalRoutePriority", "ipv4NormalRoutePriority", "1 to 2147483646", "1024", "Metric of workload routes.",
   [](Config& c, Text t) { return parse_integer(t, 1, 2147483646, c.route_priority_v4); }},
  {kSets, "IPv6NormalRoutePriority", "ipv6NormalRoutePriority", "1 to 2147483646", "1024", "The same for IPv6.",
   [](Config& c, Text t) { return parse_integer(t, 1, 2147483646, c.route_priority_v6); }},
  {kSets, "IPForwarding", "ipForwarding", "Enabled, Disabled", "Enabled", "Switch the host's forwarding on.",
   [](Config& c, Text t) { return enabled(t, c.ip_forwarding); }},

  {kTell, "HealthEnabled", "", "true, false", "true", "Answer /liveness and /readiness (Calico's default is false).",
   [](Config& c, Text t) { return parse_bool(t, c.health_enabled); }},
  {kTell, "HealthHost", "", "address or localhost", "localhost", "Where.", [](Config& c, Text t) { c.health_host = t; return Complaint{}; }},
  {kTell, "HealthPort", "", "0 to 65535", "9099", "On which port.", [](Config& c, Text t) { return parse_integer(t, 0, kPort, c.health_port); }},
  {kTell, "HealthTimeoutOverrides", "", "list of name=duration", "", "How long a component may be silent before it counts as dead.",
   [](Config& c, Text t) { return parse_timeouts(t, c.health_timeouts); }},
  {kTell, "DataplaneWatchdogTimeout", "", "duration of 20 s or more", "90", "How long the main loop may take before it counts as dead.",
   [](Config& c, Text t) {
     Milliseconds v{};
     if (Complaint why = parse_seconds(t, v); !why.empty()) return why;
     if (v < Milliseconds{20'000}) return Complaint{"must be 20 seconds or more"};
     c.watchdog_timeout = v;
     return Complaint{};
   }},
  {kTell, "PrometheusMetricsEnabled", "", "true, false", "false", "Serve /metrics.", [](Config& c, Text t) { return parse_bool(t, c.metrics_enabled); }},
  {kTell, "PrometheusMetricsHost", "", "address or localhost", "localhost", "Where (Calico's default is everywhere).",
   [](Config& c, Text t) { c.metrics_host = t; return Complaint{}; }},
  {kTell, "PrometheusMetricsPort", "", "0 to 65535", "9091", "On which port.", [](Config& c, Text t) { return parse_integer(t, 0, kPort, c.metrics_port); }},
  {kTell, "PrometheusProcessMetricsEnabled", "", "true, false", "true", "Also tell memory, CPU and files of the process.",
   [](Config& c, Text t) { return parse_bool(t, c.process_metrics); }},
  {kTell, "EndpointStatusPathPrefix", "", "directory", "the runtime directory", "Below it, endpoint-status/ has a file for every workload whose policy is in the kernel.",
   [](Config& c, Text t) { c.status_path_prefix = is_none(t) ? std::string{} : std::string{t}; return Complaint{}; }},
  {kTell, "LogSeverityScreen", "", "Debug, Info, Warning, Error", "Info", "What is logged, where no --log-level says otherwise.",
   [](Config& c, Text t) { return parse_log_level(t, c.log_severity); }, true},

  later("IptablesBackend", "Legacy, NFT, Auto", "Auto", "Margay programs the legacy tables."),
  later("IptablesPostWriteCheckIntervalSecs", "duration", "5", "Every table's shape is looked at once a second.", "iptablesPostWriteCheckInterval"),
  later("IptablesLockProbeIntervalMillis", "milliseconds", "50", "The xtables lock is tried in growing steps, for ten seconds at the most.", "iptablesLockProbeInterval"),
  later("NetlinkTimeoutSecs", "duration", "10", "The kernel answers at once.", "netlinkTimeout"),
  later("InterfaceExclude", "list of names or /expressions/", "kube-ipvs0", "Host endpoints, whom it concerns, come with a later stage."),
  later("FeatureDetectOverride", "list of name=bool", "", "Nothing is guessed: what the kernel can do is asked of the kernel."),
  later("FeatureGates", "list", "", "There are none."),
  later("VXLANEnabled", "true, false", "", "Encapsulated routes come with a later stage."),
  later("IpInIpEnabled", "true, false", "", "As VXLANEnabled.", "ipipEnabled"),
  later("VXLANVNI", "number", "4096", "As VXLANEnabled.", "vxlanVNI"), later("VXLANMTU", "number", "0", "As VXLANEnabled.", "vxlanMTU"),
  later("VXLANMTUV6", "number", "0", "As VXLANEnabled.", "vxlanMTUV6"), later("IpInIpMtu", "number", "0", "As VXLANEnabled.", "ipipMTU"),
  later("IpInIpTunnelAddr", "address", "", "As VXLANEnabled."), later("IPv4VXLANTunnelAddr", "address", "", "As VXLANEnabled."),
  later("IPv6VXLANTunnelAddr", "address", "", "As VXLANEnabled."), later("VXLANTunnelMACAddr", "MAC", "", "As VXLANEnabled."),
  later("VXLANTunnelMACAddrV6", "MAC", "", "As VXLANEnabled."),
  later("KubeNodePortRanges", "list of ranges", "30000:32767", "Only for kube-proxy in IPVS mode."),
  later("IPv4ElevatedRoutePriority", "number", "512", "Live migration comes with a later stage.", "ipv4ElevatedRoutePriority"),
  later("IPv6ElevatedRoutePriority", "number", "512", "As above.", "ipv6ElevatedRoutePriority"),
  later("LiveMigrationRouteConvergenceTime", "duration", "30", "As above."),
  later("LocalSubnetL2Reachability", "Disabled, PodsAndLoadBalancers", "Disabled", "Not built."),
  later("LocalSubnetL2ReachabilityRefreshInterval", "duration", "120", "Not built."),
  later("ProgramClusterRoutes", "Enabled, Disabled, …", "EnabledIPIPOnly", "Routes to other nodes are BIRD's."),
  later("RouteSource", "CalicoIPAM, WorkloadIPs", "CalicoIPAM", "Routes to other nodes are BIRD's."),
  later("RouteTableRange", "MIN-MAX", "", "Only the main table is used."), later("RouteTableRanges", "list", "", "As RouteTableRange."),
  later("MTUIfacePattern", "expression", "", "Margay sets no MTU of tunnels yet.", "mtuIfacePattern"),
  later("RequireMTUFile", "true, false", "false", "As MTUIfacePattern."),
  later("EndpointReportingEnabled", "true, false", "false", "Status in the datastore comes with etcd."),
  later("EndpointReportingDelaySecs", "duration", "1", "As above.", "endpointReportingDelay"),
  later("ReportingIntervalSecs", "duration", "30", "As above.", "reportingInterval"),
  later("ReportingTTLSecs", "duration", "90", "As above.", "reportingTTL"),
  later("PolicySyncPathPrefix", "directory", "", "Application-layer policy is not built."),
  later("FlowLogsGoldmaneServer", "address", "", "Flow logs are not built."),
  later("FlowLogsLocalReporter", "Enabled, Disabled", "Disabled", "Flow logs are not built."),
  later("FlowLogsFlushInterval", "duration", "300", "Flow logs are not built."),
  later("FlowLogsPolicyEvaluationMode", "None, Continuous", "Continuous", "Flow logs are not built."),
  later("FlowLogsCollectorDebugTrace", "true, false", "false", "Flow logs are not built."),
  later("PrometheusGoMetricsEnabled", "true, false", "true", "There is no Go in it."),
  later("PrometheusWireGuardMetricsEnabled", "true, false", "true", "WireGuard is not built."),
  later("PrometheusMetricsCAFile", "file", "", "Metrics are served on loopback without TLS."),
  later("PrometheusMetricsCertFile", "file", "", "As above."), later("PrometheusMetricsKeyFile", "file", "", "As above."),
  later("PrometheusMetricsClientAuth", "word", "NoClientCert", "As above."),
  later("LogFilePath", "file", "", "Logs go to standard error; journald keeps them."),
  later("LogSeverityFile", "word", "", "As LogFilePath."), later("LogSeveritySys", "word", "", "As LogFilePath."),
  later("LogDebugFilenameRegex", "expression", "", "As LogFilePath."),
  later("UsageReportingEnabled", "true, false", "true", "Nothing is reported to anybody."),
  later("UsageReportingInitialDelaySecs", "duration", "300", "As above.", "usageReportingInitialDelay"),
  later("UsageReportingIntervalSecs", "duration", "86400", "As above.", "usageReportingInterval"),
  later("ClusterGUID", "text", "", "Nothing is reported to anybody."), later("ClusterType", "text", "", "As above."),
  later("CalicoVersion", "text", "", "As above."),
  later("MetadataAddr", "address", "127.0.0.1", "OpenStack is not served."), later("MetadataPort", "port", "8775", "As above."),
  later("OpenstackRegion", "text", "", "As above."),
  later("IstioAmbientMode", "Enabled, Disabled", "Disabled", "Not built."), later("IstioDSCPMark", "number", "23", "Not built."),
  later("SidecarAccelerationEnabled", "true, false", "false", "Not built."),
  later("UseInternalDataplaneDriver", "true, false", "true", "There is one dataplane."),
  later("DataplaneDriver", "file", "", "As above."), later("RequireGoVersion", "text", "", "There is no Go in it."),
  later("AWSSrcDstCheck", "word", "DoNothing", "Not built.", "awsSrcDstCheck"),
  later("CgroupV2Path", "directory", "", "Only for eBPF."),
};
// clang-format on

// Whole families of names, by how they begin.
constexpr std::array kElsewhere{"bpf",   "wireguard", "nftables", "xdp",  "genericxdp", "windows",
                                "typha", "debug",     "go",       "etcd", "datastore",  "felixhostname"};

}  // namespace

std::span<const Parameter> parameters() { return kTable; }

const Parameter* find_parameter(std::string_view name) {
  const std::string wanted = lower(name);
  const auto row = std::find_if(std::begin(kTable), std::end(kTable), [&](const Parameter& p) {
    return lower(p.name) == wanted || (!p.field.empty() && lower(p.field) == wanted);
  });
  return row == std::end(kTable) ? nullptr : row;
}

bool belongs_elsewhere(std::string_view name) {
  const std::string word = lower(name);
  return std::any_of(kElsewhere.begin(), kElsewhere.end(), [&](std::string_view prefix) { return word.starts_with(prefix); });
}

}  // namespace margay::config
