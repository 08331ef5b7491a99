"""Who is who: keys, certificates, join tokens and signatures."""
