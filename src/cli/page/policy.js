"use strict";

/** The choice of the ID to pass: the rules of `spec.invocation`, as in src/bedrock/policy.rs. */
const invocation = (() => {
  const KINDS = ["InRegion", "Geographic", "Global", "Application"];

  const kindOf = (profile) => {
    if (profile.type !== "SYSTEM_DEFINED") return "Application";
    return profile.geography === "global" ? "Global" : "Geographic";
  };

  const words = (text) => text.split(/[\s,]+/).filter(Boolean);

  const glob = (text) => new RegExp(`^${text.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`, "su");

  /** The kinds in this text, in order; undefined: it names another thing, or one twice. */
  const preference = (text) => {
    const kinds = words(text).map((word) => KINDS.find((kind) => kind.toLowerCase() === word.toLowerCase()));
    return kinds.includes(undefined) || new Set(kinds).size < kinds.length ? undefined : kinds;
  };

  /** Whether these destinations are all allowed; "*" stands for one without a region. */
  const destinations = (text) => {
    const globs = words(text);
    if (globs.length === 0) return () => true;
    const patterns = globs.map(glob);
    const isAllowed = (region) => (region === "*" ? globs.includes("*") : patterns.some((pattern) => pattern.test(region)));
    return (regions) => regions.length > 0 && regions.every(isAllowed);
  };

  const routes = (facts, modelId, region) => {
    const through = facts.profiles
      .filter((profile) => profile.status === "ACTIVE")
      .map((profile) => {
        const kind = kindOf(profile);
        return { kind, id: kind === "Application" ? profile.arn : profile.id, destinations: profile.destinationRegions, profile };
      })
      .filter((route) => route.id !== undefined);
    return facts.onDemand ? [{ kind: "InRegion", id: modelId, destinations: [region] }, ...through] : through;
  };

  const noRouteReason = (facts) => {
    if (facts.profiles.some((profile) => kindOf(profile) === "Application")) return "ApplicationOnly";
    if (facts.provisioned) return "ProvisionedOnly";
    return facts.profiles.length === 0 ? "NoRoute" : "ProfileNotActive";
  };

  /** The route that the policy chooses, or the reason for its absence. */
  const choose = (facts, modelId, region, policy) => {
    if (policy.avoidsLegacy && facts.lifecycle.status === "LEGACY") return { reason: "Legacy" };
    const all = routes(facts, modelId, region);
    const rank = (route) => policy.preference.indexOf(route.kind);
    const listed = all.filter((route) => rank(route) >= 0);
    const order = (a, b) => rank(a) - rank(b) || a.destinations.length - b.destinations.length || (a.id < b.id ? -1 : 1);
    const [best] = listed.filter((route) => policy.allows(route.destinations)).sort(order);
    if (best) return best;
    if (listed.length > 0) return { reason: "DestinationNotAllowed" };
    if (all.some((route) => route.kind !== "Application")) return { reason: "KindNotAllowed" };
    return { reason: noRouteReason(facts) };
  };

  return { choose, destinations, kindOf, preference };
})();
