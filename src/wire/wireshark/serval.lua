-- Wireshark and tshark learn to read Serval's packets with this file (src/wire/README.md says what they hold):
--
--   tshark -X lua_script:serval.lua -r capture.pcap          wireshark -X lua_script:serval.lua capture.pcap
--
-- or put it into the folder of personal Lua plugins (Help, About, Folders). `serval.profile` says which profile it is:
-- 2014 is IP protocol 144; native is UDP on any port, recognised by its shim and the checksum of its SAL header.

local serval = Proto("serval", "Serval Service Access Layer")

local CONTROL_FLAGS = { { 0x80, "SYN" }, { 0x40, "RSYN" }, { 0x20, "ACK" }, { 0x10, "NACK" }, { 0x08, "RST" }, { 0x04, "FIN" } }
local SEGMENT_FLAGS = { { 0x01, "ACK" }, { 0x02, "PSH" }, { 0x04, "DSACK" }, { 0x08, "PROBE" } }
local TCP_FLAGS = { { 0x01, "FIN" }, { 0x02, "SYN" }, { 0x04, "RST" }, { 0x08, "PSH" }, { 0x10, "ACK" }, { 0x20, "URG" } }
local PROTOCOLS = { [6] = "stream", [17] = "datagram" }
local EXTENSIONS = {
  [0] = "Pad", "Control", "Service", "Address", "Source", "KEY", "TAG", "COOKIE", "CHALLENGE", "ROUTE", "PATHS", "IDENT",
  "REASON", "END", "Not assigned", "Large",
}
local REASONS = {
  "no such service", "refused", "draining", "overload", "lost race", "stale epoch", "no route", "unsupported",
  "dropped by rule", "closed", "hop limit", "loop", "traced", "ask directly",
}
local LARGE_TYPES = { "TRACE" }
local KEY_MODES = { [0] = "plain", "secure" }
local CHALLENGE_KINDS = { [0] = "challenge", "echo" }

local f = {
  profile = ProtoField.string("serval.profile", "Profile"),
  version = ProtoField.uint8("serval.shim.version", "Version"),
  hops = ProtoField.uint8("serval.shim.hops", "Hops left"),
  shim_length = ProtoField.uint16("serval.shim.length", "Length, from the shim on"),
  src = ProtoField.uint32("serval.src", "Source flowID", base.HEX),
  dst = ProtoField.uint32("serval.dst", "Destination flowID", base.HEX),
  words = ProtoField.uint8("serval.header_words", "Header length, 32-bit words"),
  protocol = ProtoField.uint8("serval.protocol", "Protocol", base.DEC, PROTOCOLS),
  checksum = ProtoField.uint16("serval.checksum", "Checksum", base.HEX),
  checksum_ok = ProtoField.bool("serval.checksum.good", "Checksum good"),
  ext_type = ProtoField.uint8("serval.ext.type", "Type", base.DEC, EXTENSIONS, 0xf0),
  ext_bits = ProtoField.uint8("serval.ext.bits", "Bits", base.HEX, nil, 0x0f),
  ext_length = ProtoField.uint16("serval.ext.length", "Length"),
  flags = ProtoField.uint8("serval.control.flags", "Flags", base.HEX),
  verno = ProtoField.uint32("serval.control.verno", "verno"),
  ackno = ProtoField.uint32("serval.control.ackno", "ackno"),
  nonce = ProtoField.bytes("serval.control.nonce", "Nonce"),
  attempt = ProtoField.uint8("serval.control.attempt", "Attempt"),
  service = ProtoField.bytes("serval.service", "serviceID"),
  source = ProtoField.ipv4("serval.source", "Address"),
  key_mode = ProtoField.uint8("serval.key.mode", "Mode", base.DEC, KEY_MODES),
  key_share = ProtoField.bytes("serval.key.share", "Share"),
  tag_epoch = ProtoField.uint16("serval.tag.epoch", "Epoch"),
  tag_value = ProtoField.bytes("serval.tag.value", "Value"),
  challenge_kind = ProtoField.uint8("serval.challenge.kind", "Kind", base.DEC, CHALLENGE_KINDS),
  challenge = ProtoField.bytes("serval.challenge.value", "Value"),
  cookie = ProtoField.bytes("serval.cookie", "Opaque"),
  ipv4 = ProtoField.ipv4("serval.entry.ipv4", "IPv4 address"),
  ipv6 = ProtoField.ipv6("serval.entry.ipv6", "IPv6 address"),
  port = ProtoField.uint16("serval.entry.port", "Port"),
  mac = ProtoField.bytes("serval.entry.mac", "Router's MAC"),
  reason = ProtoField.uint8("serval.reason.code", "Code", base.DEC, REASONS),
  detail = ProtoField.string("serval.reason.detail", "Detail"),
  final = ProtoField.uint64("serval.end.offset", "Final offset"),
  large_from = ProtoField.string("serval.large.from", "Who answers"),
  large_type = ProtoField.uint16("serval.large.type", "Large type", base.DEC, LARGE_TYPES),
  body = ProtoField.bytes("serval.ext.body", "Body"),
  seq = ProtoField.uint64("serval.seq", "seq"),
  ack = ProtoField.uint64("serval.ack", "ack"),
  window = ProtoField.uint32("serval.window", "Window, bytes"),
  segment_flags = ProtoField.uint8("serval.segment.flags", "Flags", base.HEX),
  sack_count = ProtoField.uint8("serval.sack.count", "SACK ranges"),
  sack_start = ProtoField.uint64("serval.sack.start", "from"),
  sack_end = ProtoField.uint64("serval.sack.end", "to"),
  options = ProtoField.bytes("serval.tcp.options", "Options"),
  datagram_length = ProtoField.uint16("serval.datagram.length", "Length"),
  transport_checksum = ProtoField.uint16("serval.transport.checksum", "Transport checksum", base.HEX),
  payload = ProtoField.bytes("serval.payload", "Payload"),
  versions = ProtoField.bytes("serval.versions", "Versions spoken"),
}
serval.fields = f

local e = {
  malformed = ProtoExpert.new("serval.malformed", "Malformed packet", expert.group.MALFORMED, expert.severity.ERROR),
  checksum = ProtoExpert.new("serval.checksum.bad", "Bad SAL checksum", expert.group.CHECKSUM, expert.severity.ERROR),
}
serval.experts = e

local BASE, SHIM, SEGMENT, TCP, UDP = 12, 4, 20, 20, 8

local function names(flags, list)
  local found = {}
  for _, flag in ipairs(list) do
    if bit.band(flags, flag[1]) ~= 0 then found[#found + 1] = flag[2] end
  end
  return #found == 0 and "none" or table.concat(found, "+")
end

-- RFC 1071, over whole 16-bit words: a SAL header is 32-bit words.
local function sums_to_zero(tvb)
  local sum = 0
  for at = 0, tvb:len() - 2, 2 do sum = sum + tvb(at, 2):uint() end
  while sum > 0xffff do sum = bit.band(sum, 0xffff) + bit.rshift(sum, 16) end
  return sum == 0xffff
end

-- 48-bit numbers.
local function u48(range)
  return UInt64(range(2, 4):uint(), range(0, 2):uint())
end

-- ROUTE and PATHS: a count, then entries of a family, a port and an address, in ROUTE with a MAC.
local function entries(tree, ext, with_mac)
  local at = 4
  for _ = 1, ext(2, 1):uint() do
    local bytes = ext(at, 1):uint() == 6 and 16 or 4
    local all = 4 + bytes + (with_mac and 8 or 0)
    local entry = tree:add(serval, ext(at, all), "Entry")
    entry:add(bytes == 16 and f.ipv6 or f.ipv4, ext(at + 4, bytes))
    entry:add(f.port, ext(at + 2, 2))
    if with_mac then entry:add(f.mac, ext(at + 4 + bytes, 8)) end
    at = at + all
  end
end

-- What each extension holds, by its type: adds it to the tree, and words to the summary.
local bodies = {
  [1] = function(tree, ext, words)
    local flags = ext(2, 1):uint()
    tree:add(f.flags, ext(2, 1)):append_text(" (" .. names(flags, CONTROL_FLAGS) .. ")")
    local attempt = ext(3, 1):uint()
    if attempt > 0 then tree:add(f.attempt, ext(3, 1)) end
    tree:add(f.verno, ext(4, 4))
    tree:add(f.ackno, ext(8, 4))
    tree:add(f.nonce, ext(12, 8))
    table.insert(words, 1, names(flags, CONTROL_FLAGS))
    words[#words + 1] = "verno=" .. ext(4, 4):uint()
    if bit.band(flags, 0x20) ~= 0 then words[#words + 1] = "ackno=" .. ext(8, 4):uint() end
    if attempt > 1 then words[#words + 1] = "attempt=" .. attempt end
  end,
  [2] = function(tree, ext, words)
    tree:add(f.service, ext(4, 32))
    words[#words + 1] = "service=" .. tostring(ext(4, 12):bytes()):lower() .. ".."
  end,
  [4] = function(tree, ext)
    for at = 4, ext:len() - 4, 4 do tree:add(f.source, ext(at, 4)) end
  end,
  [5] = function(tree, ext)
    tree:add(f.key_mode, ext(2, 1))
    tree:add(f.key_share, ext(4))
  end,
  [6] = function(tree, ext)
    tree:add(f.tag_epoch, ext(2, 2))
    tree:add(f.tag_value, ext(4, 16))
  end,
  [7] = function(tree, ext)
    if ext(2, 2):uint() > 0 then tree:add(f.cookie, ext(4, ext(2, 2):uint())) end
  end,
  [8] = function(tree, ext, words)
    tree:add(f.challenge_kind, ext(2, 1))
    tree:add(f.challenge, ext(4, 8))
    words[#words + 1] = CHALLENGE_KINDS[ext(2, 1):uint()]
  end,
  [9] = function(tree, ext) entries(tree, ext, true) end,
  [10] = function(tree, ext) entries(tree, ext, false) end,
  [12] = function(tree, ext, words)
    tree:add(f.reason, ext(2, 1))
    if ext:len() > 4 then tree:add(f.detail, ext(4)) end
    words[#words + 1] = "(" .. (REASONS[ext(2, 1):uint()] or "reason " .. ext(2, 1):uint()) .. ")"
  end,
  [15] = function(tree, ext)
    local length = ext(4, 2):uint() - 6
    if length == 0 then return end
    tree:add(ext(2, 2):uint() == 1 and f.large_from or f.body, ext(6, length))
  end,
  [13] = function(tree, ext, words)
    tree:add(f.final, ext(4, 8))
    words[#words + 1] = "end=" .. tostring(ext(4, 8):uint64())
  end,
}

-- The extensions between `at` and the header's end. False: their lengths do not fit, and the rest is not shown.
local function extensions(tree, tvb, at, ending, words)
  while at < ending do
    local type = bit.rshift(tvb(at, 1):uint(), 4)
    local length = type == 0 and 1 or at + 2 <= ending and tvb(at + 1, 1):uint() or 0
    if type == 15 and at + 6 <= ending then length = math.ceil(tvb(at + 4, 2):uint() / 4) * 4 end
    if length < (type == 0 and 1 or 4) or at + length > ending then return false end
    local ext = tvb(at, length)
    local branch = tree:add(serval, ext, EXTENSIONS[type])
    branch:add(f.ext_type, ext(0, 1))
    branch:add(f.ext_bits, ext(0, 1))
    if type == 15 then
      branch:add(f.large_type, ext(2, 2))
      branch:add(f.ext_length, ext(4, 2))
    elseif type ~= 0 then
      branch:add(f.ext_length, ext(1, 1))
    end
    local body = bodies[type]
    if body ~= nil then
      -- A body shorter than its type's reads behind its end, which Lua reports and nothing else suffers from.
      if not pcall(body, branch, ext, words) then return false end
    elseif length > 4 then
      branch:add(f.body, ext(4))
    end
    at = at + length
  end
  return true
end

local function payload(tree, range, words)
  if range == nil then return end
  tree:add(f.payload, range)
  words[#words + 1] = "len=" .. range:len()
end

local function rest(tvb, at, ending)
  return at < ending and tvb(at, ending - at) or nil
end

-- Each transport: false if the packet is too short for it.
local function native_segment(tree, tvb, at, ending, words)
  if ending - at < SEGMENT then return false end
  local count = tvb(at + 17, 1):uint()
  local header = SEGMENT + 12 * count
  if ending - at < header then return false end
  local branch = tree:add(serval, tvb(at, header), "Segment")
  local flags = tvb(at + 16, 1):uint()
  branch:add(f.seq, tvb(at, 6), u48(tvb(at, 6)))
  branch:add(f.ack, tvb(at + 6, 6), u48(tvb(at + 6, 6)))
  branch:add(f.window, tvb(at + 12, 4))
  branch:add(f.segment_flags, tvb(at + 16, 1)):append_text(" (" .. names(flags, SEGMENT_FLAGS) .. ")")
  branch:add(f.sack_count, tvb(at + 17, 1))
  for range = at + SEGMENT, at + header - 12, 12 do
    branch:add(f.sack_start, tvb(range, 6), u48(tvb(range, 6)))
    branch:add(f.sack_end, tvb(range + 6, 6), u48(tvb(range + 6, 6)))
  end
  words[#words + 1] = "seq=" .. tostring(u48(tvb(at, 6)))
  if bit.band(flags, 1) ~= 0 then words[#words + 1] = "ack=" .. tostring(u48(tvb(at + 6, 6))) end
  words[#words + 1] = "win=" .. tvb(at + 12, 4):uint()
  if count > 0 then words[#words + 1] = "sack=" .. count end
  if bit.band(flags, 8) ~= 0 then words[#words + 1] = "probe" end
  payload(tree, rest(tvb, at + header, ending), words)
  return true
end

local function tcp(tree, tvb, at, ending, words)
  if ending - at < TCP then return false end
  local header = bit.rshift(tvb(at + 12, 1):uint(), 4) * 4
  if header < TCP or ending - at < header then return false end
  local branch = tree:add(serval, tvb(at, header), "TCP header")
  local flags = tvb(at + 13, 1):uint()
  branch:add(f.seq, tvb(at + 4, 4), UInt64(tvb(at + 4, 4):uint()))
  branch:add(f.ack, tvb(at + 8, 4), UInt64(tvb(at + 8, 4):uint()))
  branch:add(f.segment_flags, tvb(at + 13, 1)):append_text(" (" .. names(flags, TCP_FLAGS) .. ")")
  branch:add(f.window, tvb(at + 14, 2))
  branch:add(f.transport_checksum, tvb(at + 16, 2))
  if header > TCP then branch:add(f.options, tvb(at + TCP, header - TCP)) end
  words[#words + 1] = "[" .. names(flags, TCP_FLAGS) .. "] seq=" .. tvb(at + 4, 4):uint()
  if bit.band(flags, 0x10) ~= 0 then words[#words + 1] = "ack=" .. tvb(at + 8, 4):uint() end
  payload(tree, rest(tvb, at + header, ending), words)
  return true
end

local function datagram(tree, tvb, at, ending, words)
  if ending - at < UDP then return false end
  local branch = tree:add(serval, tvb(at, UDP), "Datagram header")
  branch:add(f.datagram_length, tvb(at + 4, 2))
  branch:add(f.transport_checksum, tvb(at + 6, 2))
  payload(tree, rest(tvb, at + UDP, ending), words)
  return true
end

-- One packet, its SAL header at `at`. Returns what the list shows of it.
local function packet(tree, tvb, at, ending, stream)
  local words = {}
  local header = tvb(at + 8, 1):uint() * 4
  if header < BASE or at + header > ending then
    tree:add_proto_expert_info(e.malformed, "the header is longer than the packet")
    return "malformed"
  end
  tree:add(f.src, tvb(at, 4))
  tree:add(f.dst, tvb(at + 4, 4))
  tree:add(f.words, tvb(at + 8, 1))
  tree:add(f.protocol, tvb(at + 9, 1))
  tree:add(f.checksum, tvb(at + 10, 2))
  local good = sums_to_zero(tvb(at, header):tvb())
  tree:add(f.checksum_ok, good):set_generated()
  if not good then tree:add_proto_expert_info(e.checksum) end
  local ok = extensions(tree, tvb, at + BASE, at + header, words)
  local protocol = tvb(at + 9, 1):uint()
  if ok and at + header < ending then
    if protocol == 6 then ok = stream(tree, tvb, at + header, ending, words)
    elseif protocol == 17 then ok = datagram(tree, tvb, at + header, ending, words)
    else payload(tree, rest(tvb, at + header, ending), words) end
  end
  if not ok then tree:add_proto_expert_info(e.malformed) end
  local flow = string.format("%08x > %08x", tvb(at, 4):uint(), tvb(at + 4, 4):uint())
  return flow .. " " .. table.concat(words, " ") .. (ok and "" or " malformed")
end

-- Native: one packet or several, each behind its shim.
local function native(tvb, pinfo, root)
  pinfo.cols.protocol = "SERVAL"
  local shown = {}
  local at = 0
  while at + SHIM + BASE <= tvb:len() do
    local length = tvb(at + 2, 2):uint()
    local version = tvb(at, 1):uint()
    if length < SHIM + BASE or at + length > tvb:len() then break end
    local tree = root:add(serval, tvb(at, length))
    tree:add(f.profile, "native"):set_generated()
    local shim = tree:add(serval, tvb(at, SHIM), "Shim")
    shim:add(f.version, tvb(at, 1))
    shim:add(f.hops, tvb(at + 1, 1))
    shim:add(f.shim_length, tvb(at + 2, 2))
    if version == 0 and length > SHIM + BASE then
      local count = math.min(tvb(at + SHIM + BASE, 1):uint(), length - SHIM - BASE - 1)
      if count > 0 then tree:add(f.versions, tvb(at + SHIM + BASE + 1, count)) end
      shown[#shown + 1] = "version hint"
    else
      shown[#shown + 1] = packet(tree, tvb, at + SHIM, at + length, native_segment)
    end
    at = at + length
  end
  if at < tvb:len() then
    root:add(serval, tvb(at)):add_proto_expert_info(e.malformed, "no whole packet")
    shown[#shown + 1] = "malformed"
  end
  pinfo.cols.info = table.concat(shown, " | ")
  return tvb:len()
end

-- Whether a UDP payload is ours: a shim that fits it, and a SAL header whose checksum is right.
local function recognised(tvb)
  if tvb:len() < SHIM + BASE or tvb(0, 1):uint() ~= 1 then return false end
  local length = tvb(2, 2):uint()
  local header = tvb(SHIM + 8, 1):uint() * 4
  if length > tvb:len() or header < BASE or SHIM + header > length then return false end
  return sums_to_zero(tvb(SHIM, header):tvb())
end

function serval.dissector(tvb, pinfo, root)
  pinfo.cols.protocol = "SERVAL"
  if tvb:len() < BASE then return 0 end
  local tree = root:add(serval, tvb())
  tree:add(f.profile, "2014"):set_generated()
  pinfo.cols.info = packet(tree, tvb, 0, tvb:len(), tcp)
  return tvb:len()
end

local over_udp = Proto("serval.native", "Serval over UDP")
over_udp.dissector = native

DissectorTable.get("ip.proto"):add(144, serval)
DissectorTable.get("udp.port"):add_for_decode_as(over_udp)
over_udp:register_heuristic("udp", function(tvb, pinfo, root)
  if not recognised(tvb) then return false end
  native(tvb, pinfo, root)
  return true
end)
