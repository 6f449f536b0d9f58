// One picture: a part on a belt. The script `render` writes a file for each frame with Kind, with View and Aspect of the
// picture, and Numbers from 0 to 1, of which U(k) is the k-th. Nothing else is random.
#version 3.7;
#include concat("picture", str(frame_number, 0, 0), ".inc")
global_settings { assumed_gamma 1.0 max_trace_level 3 }

#macro U(K) Numbers[K] #end
#include "parts.inc"
#include "companions.inc"

// Hue 0 to 1, saturation and value, as a colour.
#macro Tint(Hue, Saturation, Value)
  #local H = mod(Hue, 1) * 6;
  #local Full = <min(1, max(0, abs(H - 3) - 1)), min(1, max(0, 2 - abs(H - 2))), min(1, max(0, 2 - abs(H - 4)))>;
  (Value * (1 - Saturation + Saturation * Full))
#end

// The camera looks down, up to 22 degrees from the side; View units fill the picture's height.
#declare Slant = 22 * U(10);
#declare Distance = 18;
camera {
  location vaxis_rotate(y * Distance, x, Slant)
  sky z
  up y
  right x * Aspect
  direction z
  angle 2 * degrees(atan2(View * Aspect / 2, Distance))
  look_at 0
}

// A key light somewhere above with a soft edge where Soft is set, a fill from the other side.
#declare Turn = 360 * U(11);
#declare Height = 25 + 55 * U(12);
#declare Warm = <1 + 0.15 * (U(13) - 0.5), 1, 1 - 0.25 * (U(13) - 0.5)>;
#declare Key = 0.5 + 0.9 * U(14);
light_source {
  vaxis_rotate(vaxis_rotate(x * 60, z, Height), y, Turn)
  rgb Warm * Key
  #if (U(15) < 0.4) area_light x * 8, z * 8, 3, 3 adaptive 0 jitter #end
}
light_source { vaxis_rotate(vaxis_rotate(x * 60, z, 50), y, Turn + 120 + 120 * U(16)) rgb 0.15 + 0.5 * U(17) shadowless }

// The belt: rubber, woven, ribbed, modular or brushed steel, of any colour, more or less dirty.
#declare Ground = Tint(U(20), 0.6 * U(21) * U(21), 0.06 + 0.6 * U(22) * U(22));
#declare Mark = Ground * (0.55 + 0.75 * U(23));
#declare Size = 0.25 + 0.5 * U(24);
#declare Belt = int(5 * U(25));
plane { y, 0
  #switch (Belt)
    #case (0) pigment { granite color_map { [0 rgb Ground] [1 rgb Mark] } scale 0.5 + Size } normal { bumps 0.3 scale 0.08 } #break
    #case (1) pigment { checker rgb Ground, rgb (Ground + Mark) / 2 scale Size * 0.5 } #break
    #case (2) pigment { gradient x color_map { [0 rgb Ground] [0.75 rgb Ground] [0.85 rgb Mark] [1 rgb Ground] } scale 0.5 + Size } #break
    #case (3) pigment { brick rgb Mark, rgb Ground brick_size <3 + 4 * Size, 2, 2 + 3 * Size> mortar 0.08 + 0.1 * U(26) } #break
    #else pigment { bozo color_map { [0 rgb Ground] [1 rgb Mark] } scale <6, 1, 0.08> }
  #end
  finish { ambient 0.12 diffuse 0.75 specular 0.25 * U(27) roughness 0.1 }
  rotate y * (360 * U(28))
  translate <10 * U(29), 0, 10 * U(30)>
}
#if (U(31) < 0.25)
  disc { y * 0.001, y, 20
    pigment { bozo turbulence 0.6 color_map { [0.55 rgbt 1] [0.7 rgb Ground * 0.3 transmit 0.4] [1 rgb Ground * 0.2 transmit 0.2] } scale 1 + 2 * U(32) translate 50 * U(33) }
    finish { ambient 0.1 diffuse 0.7 }
  }
#end

// What the part is made of: steel, blackened, brass, copper, zinc, or painted.
#declare Metal = U(40);
#declare Grey = 0.35 + 0.5 * U(41);
#if (Metal < 0.45) #declare Colour = Tint(0.58 + 0.1 * U(42), 0.08, Grey);
#elseif (Metal < 0.57) #declare Colour = Tint(0.6, 0.1, 0.05 + 0.13 * U(41));
#elseif (Metal < 0.7) #declare Colour = Tint(0.11 + 0.03 * U(42), 0.55, 0.45 + 0.4 * U(41));
#elseif (Metal < 0.78) #declare Colour = Tint(0.04 + 0.02 * U(42), 0.6, 0.4 + 0.4 * U(41));
#elseif (Metal < 0.86) #declare Colour = Tint(U(42), 0.2, Grey);
#else #declare Colour = Tint(U(42), 0.75, 0.25 + 0.6 * U(41));
#end
#declare Paint = (Metal >= 0.86);

// What may lie over it, and never in its middle: a cable, or a strip of something flat.
#macro Covered()
  #local Side = (U(53) < 0.5 ? 1 : -1);
  #local Away = (1.5 + 2.2 * U(52)) * Side;
  #if (U(51) < 0.5)
    cylinder { <-20, 2.4, Away>, <20, 2.4, Away>, 0.15 + 0.35 * U(54) }
  #else
    box { <-20, 2.3, Away>, <20, 2.35, Away + Side * (0.6 + 3 * U(54))> }
  #end
#end
#if (U(50) < 0.3)
  object { Covered()
    rotate y * (360 * U(55))
    pigment { rgb Tint(U(56), 0.8 * U(57), 0.05 + 0.7 * U(58)) }
    finish { ambient 0.12 diffuse 0.7 specular 0.2 }
  }
#end

object {
  #switch (Kind)
    #case (0) Bolt() #break
    #case (1) Nut() #break
    #case (2) Washer() #break
    #case (3) Spring() #break
    #case (4) Gear() #break
    #case (5) Bearing() #break
    #case (6) Bracket() #break
    #case (7) Flange() #break
    #case (8) Link() #break
    #case (9) Hinge() #break
    #case (10) Spanner() #break
    #case (11) Pin() #break
    #case (12) EyeBolt() #break
    #case (13) WingNut() #break
    #case (14) UBolt() #break
    #case (15) Tee() #break
    #case (16) DowelPin() #break
    #case (17) Rivet() #break
    #case (18) ShaftKey() #break
    #case (19) Circlip() #break
    #case (20) SpokedWheel() #break
    #case (21) Cam() #break
    #case (22) LobedKnob() #break
    #case (23) SocketScrew() #break
    #case (24) CountersunkScrew() #break
    #case (25) Stud() #break
    #case (26) FlangedBushing() #break
    #case (27) SquareNut() #break
    #case (28) SlottedPlate() #break
    #case (29) ToothedWasher() #break
    #case (30) Rack() #break
    #case (31) CastleNut() #break
    #case (32) CrossPlate() #break
    #case (33) TorsionSpring() #break
    #case (34) Auger() #break
    #case (35) ShaftCollar() #break
    #case (36) ChainStrip() #break
    #case (37) RatchetWheel() #break
    #case (38) SteppedShaft() #break
    #case (39) Manifold() #break
    #case (40) EClip() #break
    #case (41) CrankLever() #break
    #case (42) Gusset() #break
    #case (43) HexKey() #break
    #else Impeller()
  #end
  pigment { rgb Colour }
  #if (U(43) < 0.35) normal { granite 0.12 scale 0.5 } #end
  finish {
    ambient 0.12 diffuse 0.45 + 0.25 * U(44)
    specular 0.3 + 0.6 * U(45) roughness 0.01 + 0.07 * U(46)
    #if (!Paint) metallic brilliance 1 + 2 * U(47) #end
  }
  scale 0.92 + 0.2 * U(34)
  rotate y * (360 * U(35))
  translate <1.2 * (U(36) - 0.5), 0, 1.2 * (U(37) - 0.5)>
}
